# What Schemathesis cannot know by itself. Loaded by SCHEMATHESIS_HOOKS, see schemathesis.ts.
import json
import os

import schemathesis

KNOWN = json.loads(os.environ["KNOWN_VALUES"])


# Only the fuzzing phase draws from dictionaries. The phases before it start from the examples of a parameter: with real ids
# there they come past the credentials and the 404, to what a route does.
@schemathesis.hook
def before_load_schema(context, raw_schema):
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                values = KNOWN.get(f"{parameter['in']}.{parameter['name']}")
                if values:
                    parameter["example"] = values[0]


# Its body is a text in the description, which no built-in serializer takes for this media type.
@schemathesis.serializer("application/x-ndjson")
def write_ndjson(context, value):
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


# Files are read by the tests of the exports; here it is enough that there is one.
@schemathesis.deserializer("text/csv", "application/x-ndjson", "application/vnd.apache.parquet")
def read_file(context, response):
    return response.content.decode("latin-1")
