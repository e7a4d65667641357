"""What moto 5.2 does not know of CloudWatch: composite alarms, and saved queries of Logs Insights."""

import json
import uuid

from moto.cloudwatch.responses import CloudWatchResponse
from moto.logs.responses import LogsResponse

# The model of an alarm has a rule already; only the operation is missing.
CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm

queries = {}


def put_query(response):
    query = {name: response._get_param(name) for name in ("name", "queryString", "logGroupNames")}
    query["queryDefinitionId"] = response._get_param("queryDefinitionId") or str(uuid.uuid4())
    queries[query["queryDefinitionId"]] = query
    return json.dumps({"queryDefinitionId": query["queryDefinitionId"]})


def describe_queries(response):
    prefix = response._get_param("queryDefinitionNamePrefix") or ""
    return json.dumps({"queryDefinitions": [query for query in queries.values() if query["name"].startswith(prefix)]})


def delete_query(response):
    return json.dumps({"success": queries.pop(response._get_param("queryDefinitionId"), None) is not None})


LogsResponse.put_query_definition = put_query
LogsResponse.describe_query_definitions = describe_queries
LogsResponse.delete_query_definition = delete_query
