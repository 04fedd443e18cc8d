#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Counts what one `bazel test` ran, from its --build_event_json_file.

usage: tools/lib/count_tests.py EVENTS

Prints "N passed, N failed, N skipped", in GoogleTest's test cases; a target that does not build or
ends without a result counts as one failure.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def cases(path):
    """(passed, failed, skipped) in one test.xml."""
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    passed = failed = skipped = 0
    with open(sys.argv[1], encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            if "completed" in event and "targetCompleted" in event["id"]:
                failed += not event["completed"].get("success", False)
            result = event.get("testResult")
            if result is None:
                continue
            xml_file = next((output for output in result.get("testActionOutput", [])
                             if output["name"] == "test.xml"), None)
            counts = (0, 0, 0)
            if xml_file is not None:
                counts = cases(urllib.parse.unquote(urllib.parse.urlparse(xml_file["uri"]).path))
            if result["status"] != "PASSED" and counts[1] == 0:
                counts = (counts[0], 1, counts[2])
            passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), counts))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


if __name__ == "__main__":
    main()
