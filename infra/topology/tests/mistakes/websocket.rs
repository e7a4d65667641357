//! Tests mistakes in routes, authorizers and their functions.

use crate::{SOUND, broken, mistakes_of};

#[test]
fn a_route_is_served_once_and_answers_somebody() {
    broken(
        "routes: [$disconnect]",
        "routes: [$disconnect, say]",
        &[
            "functions.goodbye.triggers[0].websocket.routes[1]: the route `say` is served by the function `worker` already: \
         keep one of the two",
        ],
    );
    broken(
        "routes: [say, $default]",
        "routes: [say, $default, $connect]",
        &[
            "functions.worker.triggers[0].websocket: `$connect` has no client to answer: name it in a separate trigger with \
         `response: false`",
            "functions.guard.triggers[1].websocket.routes[0]: the route `$connect` is served by the function `worker` \
         already: keep one of the two",
        ],
    );
    broken(
        "routes: [$disconnect]",
        "routes: [$hello]",
        &[
            "functions.goodbye.triggers[0].websocket.routes[0]: `$hello` cannot be a route: with a `$` there are `$connect`, \
         `$disconnect` and `$default` only",
        ],
    );
    broken(
        "routes: [$disconnect]",
        "routes: []",
        &[
            "functions.goodbye.triggers[0].websocket: a trigger without a route is never pulled: name at least one, such as \
         `$default`",
        ],
    );
}

#[test]
fn a_throttle_lets_some_messages_through_and_is_never_of_disconnect() {
    broken(
        "throttle: { rate: 20, burst: 5 }",
        "throttle: { rate: 0, burst: 5 }",
        &[
            "functions.worker.triggers[2].websocket.throttle.rate: 0 is outside 1 to 10000, the account's requests a second",
        ],
    );
    broken(
        "routes: [$disconnect]",
        "routes: [$disconnect], throttle: { rate: 20, burst: 5 }",
        &["functions.goodbye.triggers[0].websocket: `$disconnect` has no client to try again: name it in a separate \
         trigger without `throttle`"],
    );
}

#[test]
fn functions_behind_a_route_answer_before_api_gateway_gives_up() {
    broken(
        "timeout_s: 29",
        "timeout_s: 30",
        &[
            "functions.guard.timeout_s: API Gateway waits 29 seconds for a function behind a route, not 30: use 29 or less",
        ],
    );
}

#[test]
fn there_is_one_authorizer_and_a_connect_route_for_it() {
    broken(
        "- schedule: { rate: 1 minute }",
        "- authorizer: {}",
        &[
            "functions.clock.timeout_s: API Gateway waits 29 seconds for a function behind a route, not 50: use 29 or less",
            "functions.clock.triggers[0]: the function `guard` is the authorizer already: `$connect` can have one only",
        ],
    );
    broken(
        "routes: [$connect]",
        "routes: [hello]",
        &[
            "functions.guard.triggers[0]: an authorizer is asked on `$connect`: serve that route, or remove the authorizer",
        ],
    );
    broken(
        "identity_sources: [route.request.header.Authorization]",
        "identity_sources: [header.Authorization]",
        &[
            "functions.guard.triggers[0].authorizer.identity_sources[0]: `header.Authorization` is no identity source: write \
         `route.request.header.NAME` or `route.request.querystring.NAME`",
        ],
    );
}

#[test]
fn routes_and_connections_need_a_websocket() {
    let mistakes = mistakes_of(&SOUND.replace("websocket: { route_selection_expression: $request.body.action }", ""));
    let missing = "there is no WebSocket API: declare `websocket` with its route selection expression";
    assert_eq!(
        mistakes,
        [
            format!("functions.worker.environment.ENDPOINT.websocket: {missing}"),
            format!("functions.worker.triggers[0]: {missing}"),
            format!("functions.worker.triggers[2]: {missing}"),
            format!("functions.worker.grants[4].websocket: {missing}"),
            format!("functions.guard.triggers[1]: {missing}"),
            format!("functions.goodbye.triggers[0]: {missing}"),
        ]
    );
    broken(
        "$request.body.action",
        "action",
        &["websocket.route_selection_expression: `action` selects no route: write a path into the message, such as \
         `$request.body.action`"],
    );
}
