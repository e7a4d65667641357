"""Writes the tables of variables and outputs into README.md; with --check, says whether they are up to date."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.S | re.M)


def field(body, name):
    """The value of a field, in one line."""
    found = re.search(rf"^  {name} += (.*?)(?=^  \w+ +=|^  validation|^\s*\Z)", body, re.S | re.M)
    return re.sub(r"\s+", " ", found.group(1)).strip() if found else None


def text(body):
    return field(body, "description").strip('"').replace('\\"', '"')


def table(kind, file):
    blocks = [match for match in BLOCK.findall((ROOT / file).read_text()) if match[0] == kind]
    if kind == "output":
        rows = [f"| `{name}` | {text(body)} |" for _, name, body in blocks]
        return "\n".join(["| output | |", "| --- | --- |", *rows])
    rows = []
    for _, name, body in blocks:
        default = field(body, "default")
        rows.append(f"| `{name}` | {text(body)} | `{field(body, 'type')}` | {f'`{default}`' if default else 'required'} |")
    return "\n".join(["| variable | | type | default |", "| --- | --- | --- | --- |", *rows])


def main():
    readme = ROOT / "README.md"
    old = new = readme.read_text()
    for kind, file in (("variable", "variables.tf"), ("output", "outputs.tf")):
        pattern = re.compile(rf"(<!-- {kind}s -->\n).*?(\n<!-- end -->)", re.S)
        new = pattern.sub(lambda match: match.group(1) + table(kind, file) + match.group(2), new)
    if "--check" not in sys.argv:
        readme.write_text(new)
    elif old != new:
        sys.exit("The tables in infra/terraform/README.md are not those of the code: run infra/terraform/tests/docs.py")


main()
