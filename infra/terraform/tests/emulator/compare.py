"""Reads the deployment back from the emulator and compares it with the topology, setting by setting.

`python compare.py ENDPOINT TOPOLOGY.json`, where the JSON is that of `cargo xtask topology --json`. Ends with status 1
and one line for each difference.
"""

import json
import sys

import boto3

endpoint, topology_file = sys.argv[1:3]
topology = json.load(open(topology_file))
name = topology["name"]
differences = []


def client(service):
    keys = {"aws_access_key_id": "emulated", "aws_secret_access_key": "emulated"}
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)


# The account of the emulator.
ACCOUNT = client("sts").get_caller_identity()["Account"]


def in_order(filters):
    return sorted(filters, key=lambda one: json.dumps(one, sort_keys=True))


def same(what, found, expected):
    if found != expected:
        differences.append(f"{what}: found {found!r}, expected {expected!r}")


def compare_queues():
    sqs = client("sqs")
    urls = {url.rsplit("/", 1)[1]: url for url in sqs.list_queues().get("QueueUrls", [])}
    physical = {queue: f"{name}-{queue}{'.fifo' if settings['fifo'] else ''}" for queue, settings in topology["queues"].items()}
    same("queues", sorted(urls), sorted(physical.values()))
    sources = {}
    for queue, settings in topology["queues"].items():
        if settings["dead_letter"]:
            sources.setdefault(settings["dead_letter"]["queue"], []).append(queue)
    arn = lambda queue: f"arn:aws:sqs:us-east-1:{ACCOUNT}:{physical[queue]}"
    for queue, settings in topology["queues"].items():
        found = sqs.get_queue_attributes(QueueUrl=urls[physical[queue]], AttributeNames=["All"])["Attributes"]
        of = f"queue {queue}"
        same(f"{of} visibility", found["VisibilityTimeout"], str(settings["visibility_timeout_s"]))
        same(f"{of} retention", found["MessageRetentionPeriod"], str(settings["retention_s"]))
        same(f"{of} delay", found["DelaySeconds"], str(settings["delay_s"]))
        same(f"{of} encryption", found["SqsManagedSseEnabled"], "true")
        if settings["fifo"]:
            high = settings["high_throughput"]
            same(f"{of} scope", found["DeduplicationScope"], "messageGroup" if high else "queue")
            same(f"{of} throughput", found["FifoThroughputLimit"], "perMessageGroupId" if high else "perQueue")
            content = str(settings["content_based_deduplication"]).lower()
            same(f"{of} content-based deduplication", found["ContentBasedDeduplication"], content)
        dead = settings["dead_letter"]
        redrive = json.loads(found["RedrivePolicy"]) if found.get("RedrivePolicy") else None
        expected = dead and {"deadLetterTargetArn": arn(dead["queue"]), "maxReceiveCount": dead["maximum_receive_count"]}
        same(f"{of} redrive", redrive, expected)
        allow = json.loads(found["RedriveAllowPolicy"])
        of_sources = sorted(arn(source) for source in sources.get(queue, []))
        same(f"{of} redrive permission", allow["redrivePermission"], "byQueue" if of_sources else "denyAll")
        same(f"{of} redrive sources", sorted(allow.get("sourceQueueArns", [])), of_sources)
        statements = json.loads(found["Policy"])["Statement"]
        same(f"{of} without TLS", statements[0]["Effect"], "Deny")
        topics = sum(queue in [it["queue"] for it in topic["subscriptions"]] for topic in topology["topics"].values())
        same(f"{of} topics that may send", len(statements) - 1, topics)


def compare_topics():
    sns = client("sns")
    topics = {topic["TopicArn"].rsplit(":", 1)[1]: topic["TopicArn"] for topic in sns.list_topics()["Topics"]}
    physical = {it: f"{name}-{it}{'.fifo' if settings['fifo'] else ''}" for it, settings in topology["topics"].items()}
    same("topics", sorted(topics), sorted(physical.values()))
    for topic, settings in topology["topics"].items():
        subscriptions = sns.list_subscriptions_by_topic(TopicArn=topics[physical[topic]])["Subscriptions"]
        same(f"topic {topic} subscriptions", len(subscriptions), len(settings["subscriptions"]))
        for found, expected in zip(subscriptions, settings["subscriptions"]):
            attributes = sns.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])["Attributes"]
            same(f"topic {topic} raw", attributes["RawMessageDelivery"], str(expected["raw"]).lower())
        attributes = sns.get_topic_attributes(TopicArn=topics[physical[topic]])["Attributes"]
        if settings["fifo"]:
            content = str(settings["content_based_deduplication"]).lower()
            same(f"topic {topic} content-based deduplication", attributes["ContentBasedDeduplication"], content)
        effects = [statement["Effect"] for statement in json.loads(attributes["Policy"])["Statement"]]
        same(f"topic {topic} policy", effects[0], "Deny")


def schema(keys):
    pairs = [(keys["partition_key"], "HASH")] + ([(keys["sort_key"], "RANGE")] if keys["sort_key"] else [])
    return [{"AttributeName": key["name"], "KeyType": kind} for key, kind in pairs]


def compare_tables():
    dynamodb = client("dynamodb")
    expected = sorted(f"{name}-{table}" for table in topology["tables"])
    same("tables", sorted(dynamodb.list_tables()["TableNames"]), expected)
    for table, settings in topology["tables"].items():
        found = dynamodb.describe_table(TableName=f"{name}-{table}")["Table"]
        of = f"table {table}"
        same(f"{of} keys", found["KeySchema"], schema(settings))
        same(f"{of} billing", found["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
        same(f"{of} stream", found.get("StreamSpecification", {}).get("StreamViewType"), settings["stream"] and settings["stream"].upper())
        indexes = {index["IndexName"]: index for index in found.get("GlobalSecondaryIndexes", [])}
        same(f"{of} indexes", sorted(indexes), sorted(settings["indexes"]))
        for index, its in settings["indexes"].items():
            same(f"{of} index {index} keys", indexes[index]["KeySchema"], schema(its))
            projection = indexes[index]["Projection"]
            same(f"{of} index {index} projection", projection["ProjectionType"], its["projection"]["type"].upper())
            same(f"{of} index {index} attributes", sorted(projection.get("NonKeyAttributes", [])), sorted(its["projection"]["include"]))
        types = {it["AttributeName"]: it["AttributeType"] for it in found["AttributeDefinitions"]}
        keys = [settings, *settings["indexes"].values()]
        declared = {key["name"]: key["type"] for its in keys for key in (its["partition_key"], its["sort_key"]) if key}
        same(f"{of} types", types, declared)
        ttl = dynamodb.describe_time_to_live(TableName=f"{name}-{table}")["TimeToLiveDescription"]
        same(f"{of} expiry", ttl.get("AttributeName"), settings["ttl"])
        backups = dynamodb.describe_continuous_backups(TableName=f"{name}-{table}")["ContinuousBackupsDescription"]
        recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        same(f"{of} point-in-time recovery", recovery, "ENABLED")


def compare_functions():
    aws_lambda, iam = client("lambda"), client("iam")
    found = {it["FunctionName"]: it for it in aws_lambda.list_functions(MaxItems=1000)["Functions"]}
    same("functions", sorted(found), sorted(f"{name}-{it}" for it in topology["functions"]))
    arns = Arns()
    for function, settings in topology["functions"].items():
        its, of = found[f"{name}-{function}"], f"function {function}"
        same(f"{of} runtime", its["Runtime"], "provided.al2023")
        same(f"{of} memory", its["MemorySize"], settings["memory_mb"])
        same(f"{of} timeout", its["Timeout"], settings["timeout_s"])
        same(f"{of} system log level", its["LoggingConfig"]["SystemLogLevel"], "WARN")
        variables = its.get("Environment", {}).get("Variables", {})
        empty = {it for it, value in settings["environment"].items() if value.get("parameter") and it not in variables}
        same(f"{of} environment", sorted(set(variables) | empty), sorted(settings["environment"]))
        for variable, value in settings["environment"].items():
            if "table" in value:
                same(f"{of} {variable}", variables[variable], f"{name}-{value['table']}")
            if "secret" in value:
                same(f"{of} {variable}", variables[variable], f"{name}/{value['secret']}")
        same(f"{of} role", its["Role"].rsplit("/", 1)[1], f"{name}-{function}")
        document = iam.get_role_policy(RoleName=f"{name}-{function}", PolicyName="grants")["PolicyDocument"]
        granted = {
            (action, resource)
            for statement in document["Statement"]
            for action in statement["Action"]
            for resource in statement["Resource"]
        }
        logs = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{name}-{function}:*"
        expected = {("logs:CreateLogStream", logs), ("logs:PutLogEvents", logs), *permissions(settings, arns)}
        same(f"{of} permissions beyond the topology", sorted(granted - expected), [])
        same(f"{of} permissions missing", sorted(expected - granted), [])
    mappings = {}
    for mapping in aws_lambda.list_event_source_mappings(MaxItems=1000)["EventSourceMappings"]:
        function = mapping["FunctionArn"].rsplit(":", 1)[1]
        source = mapping["EventSourceArn"].split(":", 5)[5]
        mappings[(function, source.split("/stream/")[0].removeprefix("table/").removesuffix(".fifo"))] = mapping
    expected = set()
    for function, settings in topology["functions"].items():
        for trigger in settings["triggers"]["queue"] + settings["triggers"]["stream"]:
            key = (f"{name}-{function}", f"{name}-{trigger.get('queue') or trigger.get('table')}")
            expected.add(key)
            compare_mapping(f"source {key[1]} of {function}", mappings[key], trigger)
    same("event sources", sorted(mappings), sorted(expected))


def compare_mapping(of, found, trigger):
    same(f"{of} batch size", found["BatchSize"], trigger["batch_size"])
    same(f"{of} window", found.get("MaximumBatchingWindowInSeconds") or 0, trigger["batch_window_s"])
    patterns = [json.loads(it["Pattern"]) for it in (found.get("FilterCriteria") or {}).get("Filters", [])]
    # The provider sends filters as a set: their order has no meaning.
    same(f"{of} filters", in_order(patterns), in_order(trigger["filters"]))
    types = ["ReportBatchItemFailures"] if trigger["report_batch_item_failures"] else []
    same(f"{of} response", found.get("FunctionResponseTypes") or [], types)
    if "queue" in trigger:
        same(f"{of} concurrency", (found.get("ScalingConfig") or {}).get("MaximumConcurrency"), trigger["maximum_concurrency"])
        return
    same(f"{of} position", found["StartingPosition"], trigger["starting_position"].upper())
    same(f"{of} retries", found["MaximumRetryAttempts"], -1 if trigger["maximum_retry_attempts"] is None else trigger["maximum_retry_attempts"])
    same(f"{of} age", found["MaximumRecordAgeInSeconds"], trigger["maximum_record_age_s"] or -1)
    same(f"{of} parallelization", found["ParallelizationFactor"], trigger["parallelization_factor"])
    same(f"{of} bisection", found["BisectBatchOnFunctionError"], trigger["bisect_batch_on_function_error"])
    destination = (found.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination", "")
    queue = trigger["on_failure"]["queue"] if trigger["on_failure"] else None
    same(f"{of} failures", destination.rsplit(":", 1)[-1] or None, queue and f"{name}-{queue}")


class Arns:
    """ARNs of what the topology names. Those with a part that AWS chooses are looked up."""

    def __init__(self):
        of = f"us-east-1:{ACCOUNT}"
        found = {it["Name"]: it["ARN"] for it in client("secretsmanager").list_secrets()["SecretList"]}
        self.secrets = {it: found[f"{name}/{it}"] for it in topology["secrets"]}
        tables = {it: client("dynamodb").describe_table(TableName=f"{name}-{it}")["Table"] for it in topology["tables"]}
        self.tables = {it: table["TableArn"] for it, table in tables.items()}
        self.streams = {it: table.get("LatestStreamArn") for it, table in tables.items()}
        fifo = lambda its: ".fifo" if its["fifo"] else ""
        self.queues = {it: f"arn:aws:sqs:{of}:{name}-{it}{fifo(its)}" for it, its in topology["queues"].items()}
        self.topics = {it: f"arn:aws:sns:{of}:{name}-{it}{fifo(its)}" for it, its in topology["topics"].items()}
        api = api_of("WEBSOCKET")
        (stage,) = client("apigatewayv2").get_stages(ApiId=api["ApiId"])["Items"]
        self.stage = f"arn:aws:execute-api:{of}:{api['ApiId']}/{stage['StageName']}"


def api_of(protocol):
    """The only API with this protocol."""
    apis = [api for api in client("apigatewayv2").get_apis()["Items"] if api["ProtocolType"] == protocol]
    same(f"APIs with the protocol {protocol}", len(apis), 1)
    return apis[0]


def permissions(function, arns):
    """Each action on each resource that the topology grants, and that its triggers need."""
    grants = function["grants"]
    for grant in grants["table"]:
        table = arns.tables[grant["table"]]
        for action in grant["actions"]:
            yield f"dynamodb:{action}", table
        for index in grant["indexes"]:
            yield "dynamodb:Query", f"{table}/index/{index}"
            if "Scan" in grant["actions"]:
                yield "dynamodb:Scan", f"{table}/index/{index}"
    for kind, prefix, of in (
        ("queue", "sqs", arns.queues),
        ("topic", "sns", arns.topics),
        ("secret", "secretsmanager", arns.secrets),
    ):
        for grant in grants[kind]:
            yield from ((f"{prefix}:{action}", of[grant[kind]]) for action in grant["actions"])
    for grant in grants["websocket"]:
        for method in grant["actions"]:
            yield "execute-api:ManageConnections", f"{arns.stage}/{method}/@connections/*"
    for trigger in function["triggers"]["queue"]:
        for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage"):
            yield f"sqs:{action}", arns.queues[trigger["queue"]]
    for trigger in function["triggers"]["stream"]:
        for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"):
            yield f"dynamodb:{action}", arns.streams[trigger["table"]]
        if trigger["on_failure"]:
            yield "sqs:SendMessage", arns.queues[trigger["on_failure"]["queue"]]


def compare_api():
    gateway = client("apigatewayv2")
    api = api_of("WEBSOCKET")
    same("route selection", api["RouteSelectionExpression"], topology["websocket"]["route_selection_expression"])
    routes = {route["RouteKey"]: route for route in gateway.get_routes(ApiId=api["ApiId"])["Items"]}
    integrations = {it["IntegrationId"]: it for it in gateway.get_integrations(ApiId=api["ApiId"])["Items"]}
    expected = {}
    for function, settings in topology["functions"].items():
        for trigger in settings["triggers"]["websocket"]:
            expected |= {route: (function, trigger["response"]) for route in trigger["routes"]}
    same("routes", sorted(routes), sorted(expected))
    for route, (function, response) in expected.items():
        found = routes[route]
        uri = integrations[found["Target"].removeprefix("integrations/")]["IntegrationUri"]
        same(f"route {route} function", uri.split("/functions/")[1].split("/")[0].rsplit(":", 1)[1], f"{name}-{function}")
        same(f"route {route} selection", found.get("RouteResponseSelectionExpression"), "$default" if response else None)
        same(f"route {route} authorization", found.get("AuthorizationType"), "CUSTOM" if route == "$connect" else "NONE")
    authorizer = gateway.get_authorizer(ApiId=api["ApiId"], AuthorizerId=routes["$connect"]["AuthorizerId"])
    same("authorizer type", authorizer["AuthorizerType"], "REQUEST")
    same("identity sources", authorizer.get("IdentitySource", []), [])
    (stage,) = gateway.get_stages(ApiId=api["ApiId"])["Items"]
    limits = stage["DefaultRouteSettings"]
    same("throttling", limits["ThrottlingRateLimit"] > 0 and limits["ThrottlingBurstLimit"] > 0, True)
    same("a deployment", bool(stage.get("DeploymentId")), True)
    logged = stage["AccessLogSettings"]["Format"]
    same("nothing private in access logs", [word for word in ("querystring", "header", "sourceIp") if word in logged], [])


def compare_http_api():
    gateway = client("apigatewayv2")
    api = api_of("HTTP")
    routes = {route["RouteKey"]: route for route in gateway.get_routes(ApiId=api["ApiId"])["Items"]}
    integrations = {it["IntegrationId"]: it for it in gateway.get_integrations(ApiId=api["ApiId"])["Items"]}
    expected = {
        route: function
        for function, settings in topology["functions"].items()
        for trigger in settings["triggers"]["http"]
        for route in trigger["routes"]
    }
    same("HTTP routes", sorted(routes), sorted(expected))
    for route, function in expected.items():
        integration = integrations[routes[route]["Target"].removeprefix("integrations/")]
        found = integration["IntegrationUri"].split("/functions/")[1].split("/")[0].rsplit(":", 1)[1]
        same(f"route {route} function", found, f"{name}-{function}")
        same(f"route {route} payload format", integration["PayloadFormatVersion"], "2.0")
        same(f"route {route} authorization", routes[route].get("AuthorizationType"), "NONE")
    (stage,) = gateway.get_stages(ApiId=api["ApiId"])["Items"]
    same("HTTP stage", stage["StageName"], "$default")
    limits = stage["DefaultRouteSettings"]
    same("HTTP throttling", limits["ThrottlingRateLimit"] > 0 and limits["ThrottlingBurstLimit"] > 0, True)
    logged = stage["AccessLogSettings"]["Format"]
    private = [word for word in ("querystring", "header", "sourceIp", "context.path") if word in logged]
    same("nothing private in access logs of the HTTP API", private, [])


def compare_schedules():
    events = client("events")
    rules = {rule["Name"]: rule["ScheduleExpression"] for rule in events.list_rules()["Rules"]}
    expected = {
        f"{name}-{function}": f"rate({trigger['rate']})"
        for function, settings in topology["functions"].items()
        for trigger in settings["triggers"]["schedule"]
    }
    same("schedules", rules, expected)


def compare_secrets():
    manager = client("secretsmanager")
    secrets = {secret["Name"] for secret in manager.list_secrets()["SecretList"]}
    same("secrets", secrets, {f"{name}/{secret}" for secret in topology["secrets"]})
    for secret, settings in topology["secrets"].items():
        value = manager.get_secret_value(SecretId=f"{name}/{secret}")["SecretString"]
        if secret != "token_keys":
            same(f"secret {secret}", value, settings["default"])


for compare in (
    compare_queues,
    compare_topics,
    compare_tables,
    compare_functions,
    compare_api,
    compare_schedules,
    compare_secrets,
    compare_http_api,
):
    compare()
for difference in differences:
    print(difference)
print(f"{len(differences)} differences between the deployment and the topology")
sys.exit(1 if differences else 0)
