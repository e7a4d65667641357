//! The part of the SNS API that queues need, in the query protocol: form requests and XML answers.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/api/API_Operations.html>

mod envelope;
mod publish;
mod query;
mod subscriptions;
mod topics;
mod xml;

use bytes::Bytes;
use http::Response;

pub(crate) use self::subscriptions::subscribe;
pub(crate) use self::topics::ensure as ensure_topic;

use self::query::{Fields, Form};
use self::xml::Xml;
use crate::model::config::name_in_arn;
use crate::model::error::Error;
use crate::store::service::Service;
use crate::store::topic::Topic;

/// Answers one call.
pub(crate) fn handle(service: &Service, form: &[u8]) -> Response<Bytes> {
    let form = Form::parse(form);
    let fields = form.fields();
    let action = fields.get("Action").unwrap_or_default();
    match perform(service, action, &fields) {
        Ok(result) => xml::success(action, result),
        Err(error) => xml::refusal(&error),
    }
}

fn perform(service: &Service, action: &str, fields: &Fields<'_>) -> Result<Xml, Error> {
    for name in ARNS {
        fields.get(name).map_or(Ok(()), |arn| check_arn(service, action, name, arn))?;
    }
    match action {
        "Publish" => publish::one(service, fields),
        "PublishBatch" => publish::batch(service, fields),
        "CreateTopic" => topics::create(service, fields),
        "DeleteTopic" => topics::delete(service, fields),
        "ListTopics" => topics::list(service, fields),
        "GetTopicAttributes" => topics::attributes(service, fields),
        "SetTopicAttributes" => topics::set_attribute(service, fields),
        "TagResource" => topics::tag(service, fields),
        "UntagResource" => topics::untag(service, fields),
        "ListTagsForResource" => topics::tags(service, fields),
        "Subscribe" => subscriptions::create(service, fields),
        "ConfirmSubscription" => subscriptions::confirm(service, fields),
        "Unsubscribe" => subscriptions::delete(service, fields),
        "ListSubscriptions" => subscriptions::list(service, fields),
        "ListSubscriptionsByTopic" => subscriptions::list_of_topic(service, fields),
        "GetSubscriptionAttributes" => subscriptions::attributes(service, fields),
        "SetSubscriptionAttributes" => subscriptions::set_attribute(service, fields),
        _ => Err(Error::unknown_action(action)),
    }
}

/// Parameters that contain the ARN of a topic, or an ARN that begins with it.
const ARNS: [&str; 4] = ["TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn"];

/// Refuses an ARN that does not belong to SNS in this Region and account.
///
/// Sources: "An ARN must have at least 6 elements" (prometheus/alertmanager #4107); the bare name
/// of the parameter for another Region (mozilla/security #8, localstack/localstack #12673);
/// `AuthorizationError` for another account
/// (aws-samples/aws-marketplace-serverless-saas-integration #11).
fn check_arn(service: &Service, action: &str, parameter: &str, arn: &str) -> Result<(), Error> {
    let parts: Vec<&str> = arn.split(':').collect();
    if parts.len() < 6 {
        let reason = format!("An ARN must have at least 6 elements, not {}", parts.len());
        return Err(Error::sns_invalid(format!("{parameter} Reason: {reason}")));
    }
    let config = service.config();
    if parts[..4] != ["arn", "aws", "sns", config.region.as_str()] {
        return Err(Error::sns_invalid(parameter));
    }
    if parts[4] != config.account_id {
        return Err(Error::sns_not_authorized(&config.account_id, action, arn));
    }
    Ok(())
}

/// Returns the action of a call, and the name of its topic if it has one, for an access decision.
pub(crate) fn resource(form: &[u8]) -> Option<(String, Option<String>)> {
    let form = Form::parse(form);
    let fields = form.fields();
    let action = fields.get("Action")?.to_owned();
    let arn = ARNS.iter().find_map(|name| fields.get(name));
    let in_arn = arn.and_then(|arn| name_in_arn(arn, "sns")).map(|name| name.split(':').next().unwrap_or(name));
    let name = in_arn.or_else(|| fields.get("Name")).map(str::to_owned);
    Some((action, name))
}

/// Returns the topic of an ARN, which may be that of a subscription.
pub(crate) fn topic_of(service: &Service, arn: &str) -> Result<std::sync::Arc<Topic>, Error> {
    let name = name_in_arn(arn, "sns").ok_or_else(|| Error::sns_invalid("TopicArn"))?;
    let name = name.split(':').next().unwrap_or(name);
    service.topics().get(name).ok_or_else(|| Error::sns_not_found("Topic"))
}
