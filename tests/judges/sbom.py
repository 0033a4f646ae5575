"""Holds bills of materials against the official schemas and the readers of others. Prints what is wrong.

    sbom.py FILE.spdx.json FILE.cdx.json
"""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

spdx, cyclonedx = sys.argv[1:]
wrong = [f"{spdx}: {message.validation_message}" for message in validate_full_spdx_document(parse_file(spdx))]
with open(cyclonedx) as file:
    text = file.read()
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if error:
    wrong.append(f"{cyclonedx}: {error}")


def purls(value):
    """Every package URL of a document."""
    if isinstance(value, dict):
        if value.get("referenceType") == "purl":
            yield value["referenceLocator"]
        if "purl" in value:
            yield value["purl"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from purls(one)


with open(spdx) as file:
    documents = [json.load(file), json.loads(text)]
for purl in (purl for document in documents for purl in purls(document)):
    again = PackageURL.from_string(purl).to_string()
    # It makes names of Go modules lower case, which others do not.
    if again.lower() != purl.lower():
        wrong.append(f"{purl} reads as {again}")
print("\n".join(wrong))
sys.exit(bool(wrong))
