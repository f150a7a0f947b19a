# A program of its own, outside any package.
"""Keep the browser files the console ships: `tools/vendor.py verify` or `tools/vendor.py refresh`.

`refresh` takes the versions named below with `npm pack` in a temporary folder and writes the files
with their licences and a manifest of SHA-256 sums; `verify` compares what is there with the
manifests. Nothing of this runs when Trimtab is installed or started.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "src/trimtab/console/static/vendor"
TESTS_ONLY = ROOT / "tests/console/vendor"
MANIFEST = "manifest.json"
ICONS = (
    "activity",
    "arrow-left",
    "arrow-right",
    "ban",
    "bell",
    "check",
    "circle-check",
    "circle-slash",
    "circle-help",
    "coins",
    "copy",
    "file-text",
    "gauge",
    "git-commit-horizontal",
    "key-round",
    "keyboard",
    "list",
    "log-out",
    "power",
    "power-off",
    "refresh-cw",
    "scale",
    "scissors",
    "search",
    "server",
    "shield-x",
    "triangle-alert",
    "undo-2",
    "users",
)


@dataclass(frozen=True)
class Package:
    """One npm package and what is taken of it: its path inside, and its name here."""

    name: str
    version: str
    licence: str
    files: dict[str, str]
    folder: Path = SHIPPED
    icons: tuple[str, ...] = field(default=())


PACKAGES = (
    Package(
        "htmx.org",
        "4.0.1",
        "0BSD",
        {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "MIT",
        {
            "dist/uPlot.iife.min.js": "uplot.min.js",
            "dist/uPlot.min.css": "uplot.min.css",
            "LICENSE": "uplot.LICENSE",
        },
    ),
    Package("lucide-static", "1.62.0", "ISC", {"LICENSE": "lucide.LICENSE"}, icons=ICONS),
    Package(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        {"axe.min.js": "axe.min.js", "LICENSE": "axe.LICENSE"},
        folder=TESTS_ONLY,
    ),
)


def refresh() -> None:
    """Fetch every package and write its files and the manifests."""
    manifests: dict[Path, dict[str, object]] = {}
    for package in PACKAGES:
        files = _fetch(package)
        package.folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (package.folder / name).write_bytes(content)
        manifests.setdefault(package.folder, {})[package.name] = {
            "version": package.version,
            "licence": package.licence,
            "sha256": {name: _sum(content) for name, content in sorted(files.items())},
        }
    for folder, manifest in manifests.items():
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def verify() -> list[str]:
    """Name every file that differs from its manifest, is missing, or is in no manifest."""
    wrong: list[str] = []
    for folder in sorted({package.folder for package in PACKAGES}):
        listed = {MANIFEST}
        for entry in json.loads((folder / MANIFEST).read_text()).values():
            for name, expected in entry["sha256"].items():
                listed.add(name)
                path = folder / name
                if not path.is_file() or _sum(path.read_bytes()) != expected:
                    wrong.append(f"{path.relative_to(ROOT)} is not what the manifest says")
        strangers = {path.name for path in folder.iterdir()} - listed
        wrong += [f"{folder.relative_to(ROOT)}/{name} is in no manifest" for name in strangers]
    return wrong


def _fetch(package: Package) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        # The command holds the constants above and nothing else.
        packed = subprocess.run(  # noqa: S603
            command, cwd=folder, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
            files = {
                name: _member(archive, f"package/{path}") for path, name in package.files.items()
            }
            if package.icons:
                files["icons.svg"] = _sprite(archive, package.icons)
    return files


def _member(archive: tarfile.TarFile, path: str) -> bytes:
    content = archive.extractfile(path)
    if content is None:
        raise SystemExit(f"'{path}' is not a file of the package")
    return content.read()


def _sprite(archive: tarfile.TarFile, names: tuple[str, ...]) -> bytes:
    symbols = [
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        f'stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        for name in names
        for inner in [_inner(_member(archive, f"package/icons/{name}.svg").decode())]
    ]
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'.encode()


def _inner(svg: str) -> str:
    start = svg.index(">", svg.index("<svg")) + 1
    return re.sub(r"\s*\n\s*", "", svg[start : svg.rindex("</svg>")])


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """Run the command named by the first argument."""
    match sys.argv[1:]:
        case ["refresh"]:
            refresh()
        case ["verify"]:
            pass
        case _:
            sys.stderr.write("usage: tools/vendor.py verify|refresh\n")
            return 2
    wrong = verify()
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
