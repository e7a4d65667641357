"""Checks that each `aws` command of the runbook and of the alarms is one: its service, its operation and its options.

`python runbook.py FILE…` reads pages in Markdown and modules of Terraform. Queries (`--query`) are compiled. Ends with
status 1 and one line for each mistake.
"""

import re
import shlex
import sys

import boto3
import jmespath
from botocore import xform_name

# Options of every command, and commands that the AWS CLI adds to those of the service.
EVERYWHERE = {"query", "output", "region", "profile", "no-paginate"}
ADDED = {("logs", "tail"): {"since", "format", "filter-pattern", "follow"}}
POSITIONAL = {("lambda", "invoke"), ("logs", "tail")}
session = boto3.session.Session(region_name="us-east-1")
mistakes = []
commands = 0


def texts(path):
    """The commands of a page: blocks of shell, and code inside of lines. In a module: strings."""
    text = open(path).read()
    if path.endswith(".md"):
        blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.S | re.M)
        yield from blocks
        yield from re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M))
    else:
        yield from (found.replace('\\"', '"') for found in re.findall(r'"(aws (?:[^"\\]|\\.)*)"', text))


def find(text):
    """Each command in a text that begins with `aws`, to the end of its line or of the substitution that it is in."""
    text = text.replace("\\\n", " ")
    for start in re.finditer(r"(?<![\w/-])aws (?=[a-z])", text):
        depth, quoted, end = 0, False, start.end()
        while end < len(text) and depth >= 0 and (quoted or depth > 0 or text[end] not in "|;\n"):
            at = text[end]
            quoted ^= at == "'"
            depth += 0 if quoted else (at == "(") - (at == ")")
            end += 1
        yield text[start.start() : end - 1 if depth < 0 else end]


def check(path, command):
    global commands
    # What the shell or Terraform puts in is one word.
    flat = re.sub(r"\$\{[^}]*\}|\$\(\((?:[^()]|\([^()]*\))*\)\)|\"?\$\((?:[^()]|\([^()]*\))*\)\"?", "VALUE", command)
    try:
        words = shlex.split(flat)
    except ValueError as error:
        return mistakes.append(f"{path}: {error}: {command}")
    if len(words) < 3:
        return mistakes.append(f"{path}: no command: {command}")
    commands += 1
    _, service, operation, *rest = words
    options = [word.removeprefix("--").split("=")[0] for word in rest if word.startswith("--")]
    if (service, operation) in ADDED:
        known = ADDED[(service, operation)]
    else:
        try:
            model = session.client(service).meta.service_model
        except Exception as error:
            return mistakes.append(f"{path}: {error}")
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in operations:
            return mistakes.append(f"{path}: {service} has no operation {operation}")
        members = model.operation_model(operations[operation]).input_shape.members
        known = {xform_name(name, "-") for name in members}
        flags = {xform_name(name, "-") for name, shape in members.items() if shape.type_name == "boolean"}
        known |= {f"no-{flag}" for flag in flags}
    for option in options:
        if option not in known | EVERYWHERE:
            mistakes.append(f"{path}: {service} {operation} has no option --{option}")
    for name, value in zip(rest, rest[1:]):
        if name == "--query":
            try:
                jmespath.compile(value)
            except Exception as error:
                mistakes.append(f"{path}: {service} {operation}: {error}")


for path in sys.argv[1:]:
    for text in texts(path):
        for command in find(text):
            check(path, command)
if commands < 40:
    mistakes.append(f"only {commands} commands were found")
print("\n".join(mistakes) or f"{commands} commands are commands of AWS")
sys.exit(1 if mistakes else 0)
