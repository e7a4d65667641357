"""Plans with mistakes, and checks that Terraform prints the sentence that names the way out.

`python mistakes.py VARIABLES…` runs in tests/emulator; the variables are those of a plan without a mistake. A plan reports
all its mistakes at once. The exit status is 1 if a sentence is missing; each has its line.
"""

import json
import re
import subprocess
import sys

# Terraform checks variables before it plans, and conditions of the plan before it creates a resource.
PLANS = [
    (
        {"architecture": "riscv", "throttling_rate_limit": 0, "post_budget_per_second": 0},
        [
            "The architecture is x86_64 or arm64.",
            "With a limit of 0 every request is refused with 429: allow at least 1 message a second.",
            "allow at least 100 a second for each process of the fan-out.",
        ],
    ),
    (
        {
            "packages": "no-such-folder",
            "parameters": {"guest": "allow", "posts_per_second": "1001"},
            "memory_mb": {"fan": 512},
            "reserved_concurrency": {"fanout": 7},
            "topic_publishers": {"event": ["arn:aws:iam::111122223333:root"]},
            "throttling_rate_limit": 1801,
        },
        [
            "no-such-folder has no packages of authorizer, connect,",
            "build them with `cargo xtask package`, or set `packages` to the folder that they are in.",
            "The topology has no parameters guest: remove them from `parameters`. It has activity, allowed_origins,",
            "The topology has no functions fan: remove them from `memory_mb` and `reserved_concurrency`.",
            "The topology has no topics event: remove them from `topic_publishers`.",
            "`reserved_concurrency` of fanout is less than their queues may start at once",
            "fanout may post 8008 times a second in 8 processes, more than `post_budget_per_second`, 8000: remove "
            "`posts_per_second` from `parameters`, or lower it to 1000.",
            "`post_budget_per_second` (8000), `throttling_rate_limit` (1801) and the HTTP API (200) are more than the account's requests a "
            "second: lower one of them, or request a higher quota and set `account_requests_per_second` (10000) to it.",
        ],
    ),
    (
        {"post_budget_per_second": 799},
        ["raise `post_budget_per_second` to 800 or more, or lower `maximum_concurrency` in the topology."],
    ),
]


def plan(mistakes):
    """Plans with these mistakes, and gives the output in one line, without its frame."""
    command = ["terraform", "plan", "-no-color", "-input=false", "-refresh=false"]
    command += ["-target=module.roomcast.terraform_data.checks", "-var", f"mistakes={json.dumps(mistakes)}", *sys.argv[1:]]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode == 0:
        sys.exit(f"a plan with mistakes is not refused: {mistakes}")
    return re.sub(r"[\s│╷╵]+", " ", ended.stdout + ended.stderr)


missing = []
for mistakes, sentences in PLANS:
    printed = plan(mistakes)
    absent = [sentence for sentence in sentences if sentence not in printed]
    missing += [f"missing: {sentence}" for sentence in absent]
    if absent:
        print(printed)
print("\n".join(missing) or f"{sum(len(sentences) for _, sentences in PLANS)} sentences name a way out")
sys.exit(1 if missing else 0)
