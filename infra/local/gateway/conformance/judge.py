"""Judges the reports of Autobahn's test suite: judge.py lifted|default FOLDER. Python 2.7 and 3."""
from __future__ import print_function

import json
import os
import sys

GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
# Close codes of API Gateway: binary (1003), too large (1009).
EXPECTED = (1003, 1009)


def main():
    mode, folder = sys.argv[1:]
    with open(os.path.join(folder, "index.json")) as index:
        cases = json.load(index)["gateway"]
    wrong, excused = [], {1003: [], 1009: []}
    for case, result in sorted(cases.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        if result["behavior"] in GOOD and result["behaviorClose"] in GOOD:
            continue
        code = result["remoteCloseCode"]
        if mode == "default" and code in EXPECTED:
            excused[code].append(case)
        else:
            wrong.append("%s: %s, closing %s, code %s" % (case, result["behavior"], result["behaviorClose"], code))
    for code, excused_cases in sorted(excused.items()):
        if excused_cases:
            print("closed with %d, as API Gateway does (%d): %s" % (code, len(excused_cases), " ".join(excused_cases)))
    for line in wrong:
        print("FAILED " + line)
    print("%s: %d cases, %d failed" % (mode, len(cases), len(wrong)))
    return 1 if wrong or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
