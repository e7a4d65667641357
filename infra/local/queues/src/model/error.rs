//! The errors of SQS and SNS.

use http::StatusCode;

/// The error of a refused call. The texts are those of AWS as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// The shape of the error, for example `QueueDoesNotExist`.
    pub shape: &'static str,
    /// The code of the error in the query protocol. SDKs that once used that protocol still read
    /// it.
    pub code: &'static str,
    /// A sentence that describes the mistake.
    pub message: String,
    /// HTTP status: 400 for nearly all errors.
    pub status: StatusCode,
}

impl Error {
    fn new(shape: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { shape, code, message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn queue_does_not_exist() -> Self {
        let message = "The specified queue does not exist.";
        Self::new("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", message)
    }

    /// The queue belongs to another account, whose policy is unknown here.
    pub(crate) fn access_denied(url: &str) -> Self {
        let message = format!("Access to the resource {url} is denied.");
        Self::new("AccessDeniedException", "AccessDenied", message).with_status(StatusCode::FORBIDDEN)
    }

    /// The URL belongs to a queue of another Region, or is not the URL of a queue.
    pub(crate) fn invalid_address(url: &str) -> Self {
        let message = format!("The address {url} is not valid for this endpoint.");
        Self::new("InvalidAddress", "InvalidAddress", message).with_status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn queue_name_exists(attribute: &str) -> Self {
        let message =
            format!("A queue already exists with the same name and a different value for attribute {attribute}");
        Self::new("QueueNameExists", "QueueAlreadyExists", message)
    }

    pub(crate) fn purge_in_progress(queue: &str) -> Self {
        let message = format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
        Self::new("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", message)
            .with_status(StatusCode::FORBIDDEN)
    }

    pub(crate) fn not_in_flight() -> Self {
        Self::new("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The message is not in flight.")
    }

    pub(crate) fn receipt_handle_is_invalid(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message).with_status(StatusCode::NOT_FOUND)
    }

    /// The receipt handle is no longer valid.
    pub(crate) fn stale_receipt_handle(handle: &str, reason: &str) -> Self {
        let message = format!("Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}.");
        Self::invalid_parameter(message)
    }

    pub(crate) fn over_limit() -> Self {
        let message = "Too many messages in flight: at most 120000 may be received and not yet deleted.";
        Self::new("OverLimit", "OverLimit", message).with_status(StatusCode::FORBIDDEN)
    }

    pub(crate) fn invalid_message_contents(message: impl Into<String>) -> Self {
        Self::new("InvalidMessageContents", "InvalidMessageContents", message)
    }

    pub(crate) fn invalid_attribute_name(name: &str) -> Self {
        Self::new("InvalidAttributeName", "InvalidAttributeName", format!("Unknown Attribute {name}."))
    }

    pub(crate) fn invalid_attribute_value(name: &str) -> Self {
        let message = format!("Invalid value for the parameter {name}.");
        Self::new("InvalidAttributeValue", "InvalidAttributeValue", message)
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValueException", "InvalidParameterValue", message)
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        let message = format!("The request must contain the parameter {name}.");
        Self::new("MissingRequiredParameterException", "MissingParameter", message)
    }

    pub(crate) fn unknown_action(action: &str) -> Self {
        let message = format!("The action {action} is not one that local queues know.");
        Self::new("UnknownOperationException", "InvalidAction", message)
    }

    pub(crate) fn malformed(reason: &str) -> Self {
        Self::new("SerializationException", "MalformedInput", format!("The request cannot be read: {reason}"))
    }

    pub(crate) fn resource_not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", "ResourceNotFoundException", message).with_status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn empty_batch(entry: &str) -> Self {
        let message = format!("There should be at least one {entry} in the request.");
        Self::new("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", message)
    }

    pub(crate) fn too_many_entries(count: usize) -> Self {
        let message = format!("Maximum number of entries per request are 10. You have sent {count}.");
        let code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
        Self::new("TooManyEntriesInBatchRequest", code, message)
    }

    pub(crate) fn ids_not_distinct(id: &str) -> Self {
        let code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
        Self::new("BatchEntryIdsNotDistinct", code, format!("Id {id} repeated."))
    }

    pub(crate) fn invalid_entry_id() -> Self {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                       It can be at most 80 letters long.";
        Self::new("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", message)
    }

    pub(crate) fn batch_too_long(limit: usize, bytes: usize) -> Self {
        let message = format!("Batch requests cannot be longer than {limit} bytes. You have sent {bytes} bytes.");
        Self::new("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", message)
    }

    pub(crate) fn sns_not_found(what: &str) -> Self {
        Self::new("NotFoundException", "NotFound", format!("{what} does not exist")).with_status(StatusCode::NOT_FOUND)
    }

    /// The topic belongs to another account, whose policy is unknown here.
    pub(crate) fn sns_not_authorized(account: &str, action: &str, arn: &str) -> Self {
        let message = format!(
            "User: arn:aws:iam::{account}:user/developer is not authorized to perform: SNS:{action} on resource: {arn} because \
             no resource-based policy allows the SNS:{action} action"
        );
        Self::new("AuthorizationErrorException", "AuthorizationError", message).with_status(StatusCode::FORBIDDEN)
    }

    pub(crate) fn sns_invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", "InvalidParameter", format!("Invalid parameter: {}", message.into()))
    }

    pub(crate) fn sns_invalid_value(message: impl Into<String>) -> Self {
        Self::new("ParameterValueInvalid", "ParameterValueInvalid", message)
    }

    pub(crate) fn sns_batch(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, code, message)
    }
}
