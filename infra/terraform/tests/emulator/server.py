"""AWS on this machine, as moto serves it, with what moto 5.2 does not know.

`python server.py PORT` serves until it is ended.
"""

import json
import sys
import uuid

import watching  # noqa: F401
from moto.apigatewayv2 import urls
from moto.apigatewayv2.models import Stage
from moto.awslambda.models import LambdaFunction
from moto.server import main
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.sqs.models import Queue

# Queues: moto drops the policy whenever another attribute is set, knows no redrive-allow policy, and returns the redrive
# policy with other whitespace than it was given.

ALLOW_POLICY = "RedriveAllowPolicy"

set_attributes = Queue._set_attributes
get_attributes = Queue.attributes.fget


def keep_policies(queue, attributes, now=None):
    attributes = dict(attributes)
    attributes.setdefault("Policy", getattr(queue, "policy", None))
    queue.redrive_allow_policy = attributes.pop(ALLOW_POLICY, getattr(queue, "redrive_allow_policy", None))
    set_attributes(queue, attributes, now)


def all_attributes(queue):
    attributes = get_attributes(queue)
    if queue.redrive_allow_policy:
        attributes[ALLOW_POLICY] = queue.redrive_allow_policy
    if "RedrivePolicy" in attributes and attributes["RedrivePolicy"]:
        attributes["RedrivePolicy"] = json.dumps(json.loads(attributes["RedrivePolicy"]), separators=(",", ":"))
    return attributes


Queue._set_attributes = keep_policies
Queue.attributes = property(all_attributes)
Queue.KMS_ATTRIBUTES = [*Queue.KMS_ATTRIBUTES, ALLOW_POLICY]

# Functions: moto forgets where and how they log.

make_function = LambdaFunction.__init__
get_configuration = LambdaFunction.get_configuration


def keep_logging(function, account_id, spec, *arguments, **named):
    make_function(function, account_id, spec, *arguments, **named)
    function.logging_config = spec.get("LoggingConfig")


def configuration_with_logging(function, *arguments, **named):
    configuration = get_configuration(function, *arguments, **named)
    if getattr(function, "logging_config", None):
        configuration["LoggingConfig"] = function.logging_config
    return configuration


LambdaFunction.__init__ = keep_logging
LambdaFunction.get_configuration = configuration_with_logging

# Quotas: moto knows none of Lambda; each is 1,000, that of an account with a history.


def account_quota(response):
    service, code = (json.loads(response.body)[it] for it in ("ServiceCode", "QuotaCode"))
    arn = f"arn:aws:servicequotas:{response.region}:{response.current_account}:{service}/{code}"
    # Without an ARN the provider takes the quota for absent.
    return json.dumps({"Quota": {"QuotaArn": arn, "ServiceCode": service, "QuotaCode": code, "Value": 1000.0}})


ServiceQuotasResponse.get_service_quota = account_quota
ServiceQuotasResponse.get_aws_default_service_quota = account_quota

# WebSocket APIs: moto has no deployments, and forgets which one a stage serves.

deployments = {}


def deploy(request, full_url, headers):
    deployment = {"deploymentId": uuid.uuid4().hex[:10], "deploymentStatus": "DEPLOYED", "autoDeployed": False}
    deployment["description"] = json.loads(request.data or b"{}").get("description")
    deployments[deployment["deploymentId"]] = deployment
    return 201, {"Content-Type": "application/json"}, json.dumps(deployment)


def deployment_of(request, full_url, headers):
    deployment_id = request.path.rsplit("/", 1)[-1]
    if deployment_id not in deployments:
        return 404, {"x-amzn-errortype": "NotFoundException"}, json.dumps({"message": "no such deployment"})
    if request.method == "DELETE":
        del deployments[deployment_id]
        return 204, {}, ""
    return 200, {"Content-Type": "application/json"}, json.dumps(deployments[deployment_id])


stage_to_json = Stage.to_json


def stage_with_deployment(stage):
    return {**stage_to_json(stage), "deploymentId": stage.config.get("deploymentId")}


Stage.to_json = stage_with_deployment
urls.url_paths["{0}/v2/apis/(?P<api_id>[^/]+)/deployments$"] = deploy
urls.url_paths["{0}/v2/apis/(?P<api_id>[^/]+)/deployments/(?P<deployment_id>[^/]+)$"] = deployment_of

if __name__ == "__main__":
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
