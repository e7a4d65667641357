"""Reads alarms, dashboard and saved queries back from the emulator, and checks that what they name is there.

`python alarms.py ENDPOINT TOPOLOGY.json`, where the JSON is that of `cargo xtask topology --json`. Ends with status 1
and one line for each difference.
"""

import json
import re
import sys

import boto3

endpoint, topology_file = sys.argv[1:3]
topology = json.load(open(topology_file))
name = topology["name"]
differences = []


def client(service):
    keys = {"aws_access_key_id": "emulated", "aws_secret_access_key": "emulated"}
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)


def same(what, found, expected):
    if found != expected:
        differences.append(f"{what}: found {found!r}, expected {expected!r}")


# What each dimension of a metric may name.
(api,) = [api for api in client("apigatewayv2").get_apis()["Items"] if api["ProtocolType"] == "WEBSOCKET"]
(stage,) = client("apigatewayv2").get_stages(ApiId=api["ApiId"])["Items"]
tables = {it: client("dynamodb").describe_table(TableName=it)["Table"] for it in client("dynamodb").list_tables()["TableNames"]}
THERE = {
    "QueueName": {url.rsplit("/", 1)[1] for url in client("sqs").list_queues()["QueueUrls"]},
    "FunctionName": {it["FunctionName"] for it in client("lambda").list_functions(MaxItems=1000)["Functions"]},
    "TableName": set(tables),
    "GlobalSecondaryIndexName": {index["IndexName"] for table in tables.values() for index in table.get("GlobalSecondaryIndexes", [])},
    "ApiId": {api["ApiId"]},
    "Stage": {stage["StageName"]},
    "function": set(topology["functions"]),
}


def check_dimensions(what, dimensions):
    for dimension, value in dimensions.items():
        same(f"{what}: {dimension} {value} is there", value in THERE.get(dimension, ()), True)


pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
metric_alarms, composite_alarms = {}, []
for page in pages:
    metric_alarms |= {alarm["AlarmName"]: alarm for alarm in page["MetricAlarms"]}
    composite_alarms += page["CompositeAlarms"]

for alarm_name, alarm in metric_alarms.items():
    stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    same(f"{alarm_name}: one metric, or an expression of some", bool(alarm.get("MetricName")) != bool(stats), True)
    for metric in [alarm] if alarm.get("MetricName") else stats:
        check_dimensions(alarm_name, {it["Name"]: it["Value"] for it in metric["Dimensions"]})
    returned = [query["Id"] for query in alarm.get("Metrics", []) if query.get("ReturnData") is True]
    same(f"{alarm_name}: what it watches", returned, ["watched"] if stats else [])

dead = {it for it in topology["queues"] if it.endswith("-dead")}
same("alarms on dead letters", {it for it in dead if f"{name}-dead-letters-{it}" in metric_alarms}, dead)

(page,) = composite_alarms
watched = re.findall(r'ALARM\("([^"]+)"\)', page["AlarmRule"])
same("alarms that page and are not there", [it for it in watched if it not in metric_alarms], [])
same("the alarm that pages", (page["AlarmName"], len(watched) > 10), (f"{name}-members-are-not-getting-messages", True))

body = json.loads(client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
for widget in body["widgets"]:
    for metric in widget["properties"].get("metrics", []):
        texts = [it for it in metric if isinstance(it, str)]
        check_dimensions(f"dashboard: {widget['properties']['title']}", dict(zip(texts[2::2], texts[3::2])))
arns = {alarm["AlarmArn"] for alarm in [*metric_alarms.values(), *composite_alarms]}
(states,) = [widget for widget in body["widgets"] if widget["type"] == "alarm"]
same("alarms on the dashboard", set(states["properties"]["alarms"]), arns)

groups = {group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]}
saved = client("logs").describe_query_definitions(queryDefinitionNamePrefix=f"{name}/")["queryDefinitions"]
same("saved queries", len(saved) >= 9, True)
for query in saved:
    same(f"log groups of {query['name']} that are not there", set(query["logGroupNames"]) - groups, set())

for difference in differences:
    print(difference)
print(f"{len(metric_alarms)} alarms, {len(saved)} saved queries, {len(differences)} differences")
sys.exit(1 if differences else 0)
