//! Tests mistakes in the grants and the environment of a function.

use crate::broken;

#[test]
fn grants_name_actions_of_iam_once_each() {
    broken(
        "actions: [GetItem, Query, Scan]",
        "actions: [GetItem, Query, TransactWriteItems]",
        &[
            "functions.worker.grants[0].actions[2]: IAM knows no action `TransactWriteItems`: grant those of its parts, \
         `PutItem`, `UpdateItem`, `DeleteItem`, `ConditionCheckItem`",
        ],
    );
    broken(
        "actions: [SendMessage]",
        "actions: [SendMessageBatch]",
        &[
            "functions.worker.grants[1].actions[0]: IAM knows no action `SendMessageBatch`: `SendMessage` covers the batch",
        ],
    );
    broken(
        "actions: [Publish]",
        "actions: [Shout]",
        &[
            "functions.worker.grants[2].actions[0]: there is no action `Shout`; the actions on it are `GetTopicAttributes`, \
         `ListSubscriptionsByTopic`, `Publish`",
        ],
    );
    broken(
        "actions: [Publish]",
        "actions: [Publish, Publish]",
        &["functions.worker.grants[2].actions[1]: `Publish` is granted a second time here: keep one"],
    );
    broken(
        "actions: [Publish]",
        "actions: []",
        &[
            "functions.worker.grants[2].actions: a grant without an action allows nothing: name at least one, or remove the \
         grant",
        ],
    );
    broken(
        "- { topic: events, actions: [Publish] }",
        "- { queue: work, actions: [ReceiveMessage] }",
        &["functions.worker.grants[2]: a grant on the same thing stands above: put the actions together"],
    );
    broken(
        "actions: [SendMessage] }",
        "actions: [SendMessage], indexes: [x] }",
        &["functions.worker.grants[1].indexes: a queue has no indexes: remove the field"],
    );
}

#[test]
fn a_secret_is_read_by_its_name_and_by_one_action() {
    broken(
        "- { secret: keys, actions: [GetSecretValue] }",
        "- { secret: keyz, actions: [PutSecretValue] }",
        &[
            "functions.worker.grants[3].secret: there is no secret `keyz`; did you mean `keys`?",
            "functions.worker.grants[3].actions[0]: there is no action `PutSecretValue`; did you mean `GetSecretValue`?",
        ],
    );
}
