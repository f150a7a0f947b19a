# Made by `trimtab prompts codegen` from 2nd.order_form, major 1. Do not edit.

from typing import Annotated, Any, Literal

from trimtab.sdk.prompts import Field, JsonSchema, PromptVars

CodeValue = Annotated[
    str,
    JsonSchema({"pattern": "^[A-Z]{3}\\d+\"'$", "type": "string"}),
]
CountryValue = Annotated[
    Any,
    JsonSchema(
        {
            "enum": [
                "Antigua and Barbuda",
                "Bosnia and Herzegovina",
                "Trinidad and Tobago",
                None,
            ],
        },
    ),
]
EitherValue = Annotated[
    Any,
    JsonSchema(
        {
            "anyOf": [
                {"minimum": 5, "type": "integer"},
                {"maxLength": 3, "type": "string"},
            ],
        },
    ),
]
PersonValue = Annotated[
    dict[str, Any],
    JsonSchema(
        {
            "additionalProperties": False,
            "properties": {
                "age": {"maximum": 150, "minimum": 0, "type": "integer"},
                "name": {"type": "string"},
            },
            "required": ["name"],
            "type": "object",
        },
    ),
]
RegionValue = Literal[
    "North and Central America",
    "South America",
    "Europe and the Middle East",
    "Oceania",
]


class P2ndOrderFormPrompt(
    PromptVars,
    prompt="2nd.order_form",
    major=1,
    shape="57150c1e5d4b83b685f72559a87e30727415598bf94bba3b296837e413a619ad",
):
    """The variables of 2nd.order_form."""

    anything: Any
    class_: Literal["economy", "business", "first"] = Field(
        description="Where the passenger sits",
        serialization_alias="class",
    )
    code: CodeValue
    count: int = Field(ge=1, lt=100)
    country: CountryValue
    either: EitherValue
    matrix: list[list[int | float]]
    model_name_: Literal["large"] = Field(serialization_alias="model_name")
    person: PersonValue
    region: RegionValue
    var_secret: str = Field(default="", serialization_alias="_secret")
    price: int | float = Field(default=9.5, ge=0.5)
    str_: str | None = Field(default=None, serialization_alias="str")
    tags: list[str] = Field(default=[], max_length=5)
    urgent: bool = False
    weights: dict[str, int | float] = Field(default={"a": 0.5, "b": 1})
