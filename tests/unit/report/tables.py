"""What a browser reads out of a table of numbers."""

import json


def rows_of(table):
    data = json.loads(table.json)
    kinds = [column["kind"] for column in data["columns"]]
    return [
        [data["names"][value] if kind == "name" else value for value, kind in zip(row, kinds, strict=True)]
        for row in data["rows"]
    ]
