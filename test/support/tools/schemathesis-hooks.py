# What Schemathesis cannot know without help. SCHEMATHESIS_HOOKS loads it, see schemathesis.ts.
import json
import os

import schemathesis

KNOWN = json.loads(os.environ["KNOWN_VALUES"])


# Only the fuzzing phase uses the dictionaries. Earlier phases start from the examples of a parameter and of a body: with real ids as examples
# they pass the credentials and the 404, and reach the code of the route.
@schemathesis.hook
def before_load_schema(context, raw_schema):
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                values = KNOWN.get(f"{parameter['in']}.{parameter['name']}")
                if values:
                    parameter["example"] = values[0]
            for media in operation.get("requestBody", {}).get("content", {}).values():
                example = media.get("example")
                if isinstance(example, dict):
                    known = {name: KNOWN[f"body.{name}"][0] for name in example if name.endswith("_id") and KNOWN.get(f"body.{name}")}
                    media["example"] = {**example, **known}


# The coverage phase sends five values of a wrong type for each field, two fifths of all its requests. Two of them are enough for a field:
# each field begins with another one, so that a route gets all five, with null among them.
WRONG_TYPES = {}


@schemathesis.hook
def filter_case(context, case):
    phase = case.meta.phase.data if case.meta is not None else None
    if getattr(phase, "scenario", None) != "incorrect_type":
        return True
    field = (case.operation.label, str(phase.parameter_location), phase.parameter, phase.location)
    place, sent = WRONG_TYPES.get(field, (len(WRONG_TYPES), 0))
    WRONG_TYPES[field] = (place, sent + 1)
    return (sent - place) % 5 < 2


# The body is a text in the OpenAPI description, and no built-in serializer accepts a text for this media type.
@schemathesis.serializer("application/x-ndjson")
def write_ndjson(context, value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


# The tests of the exports read the files; here it is enough that a file is returned.
@schemathesis.deserializer("text/csv", "application/x-ndjson", "application/vnd.apache.parquet", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def read_file(context, response):
    return response.content.decode("latin-1")
