import subprocess
import sys

import trimtab.sdk
import trimtab.sdk.prompts


def test_what_is_offered_is_sorted_and_there() -> None:
    for module in (trimtab.sdk, trimtab.sdk.prompts):
        offered = module.__all__
        assert offered == sorted(offered)
        assert all(hasattr(module, name) for name in offered)


def test_applications_without_wrappers_need_no_pydantic() -> None:
    asked = "import sys, trimtab.sdk; sys.exit('pydantic' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", asked], check=False)  # noqa: S603 -- ourselves

    assert done.returncode == 0
