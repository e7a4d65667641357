//! `infra/topology.yaml` and the code say the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::limits::{POST_RATE, SHARDS_OF_A_NARROW_ROOM};
use topology::{EnvironmentValue, Grant, Topology, Trigger};

/// The account's posts a second; shared with everything on API Gateway.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
const ACCOUNT_POSTS_PER_S: u64 = 10_000;
/// And at once, after a pause.
const ACCOUNT_POSTS_AT_ONCE: u64 = 5_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn topology() -> Topology {
    Topology::read(&root().join("infra/topology.yaml")).unwrap()
}

#[test]
fn every_service_is_a_function_and_every_function_a_service() {
    let folders = std::fs::read_dir(root().join("services")).unwrap();
    let services: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let topology = topology();
    let functions: BTreeSet<String> = topology.functions.iter().map(|function| function.name.clone()).collect();
    assert_eq!(services, functions);
    assert!(topology.functions.iter().all(|function| function.name == function.binary));
}

#[test]
fn fan_out_stays_under_80_percent_of_the_accounts_posts() {
    let topology = topology();
    let concurrency: u64 = topology
        .triggers()
        .filter(|(function, _)| function.name == "fanout")
        .map(|(_, trigger)| match trigger {
            Trigger::Queue(queue) => u64::from(queue.maximum_concurrency.unwrap()),
            other => panic!("fanout has a trigger that is no queue: {other:?}"),
        })
        .sum();
    let default = topology.parameter("posts_per_second").and_then(|parameter| parameter.default.clone()).unwrap();
    assert_eq!(default.parse(), Ok(POST_RATE), "the topology's rate is that of the code");
    let posts_per_s = concurrency * POST_RATE.count_per_second();
    assert!(posts_per_s * 100 <= ACCOUNT_POSTS_PER_S * 80, "{posts_per_s} posts a second");
    assert!(2 * u64::from(POST_RATE.burst()) <= ACCOUNT_POSTS_AT_ONCE);
}

#[test]
fn subscriptions_deliver_as_the_events_function_is_told() {
    let topology = topology();
    let events = topology.functions.iter().find(|function| function.name == "events").unwrap();
    let delivery = events.environment.iter().find(|(name, _)| name == "EVENTS_DELIVERY").map(|(_, value)| value);
    let is_raw = match delivery {
        Some(EnvironmentValue::Text(text)) if text == "envelope" => false,
        Some(EnvironmentValue::Text(text)) if text == "raw" => true,
        other => panic!("EVENTS_DELIVERY of events is {other:?}"),
    };
    let own: BTreeSet<&str> = queues_of(events).collect();
    assert_eq!(own, BTreeSet::from(["commands", "events", "events-ordered"]));
    let subscriptions = topology.topics.iter().flat_map(|topic| &topic.subscriptions);
    let of_events: Vec<_> = subscriptions.filter(|subscription| own.contains(subscription.queue.as_str())).collect();
    assert!(of_events.len() == own.len() && of_events.iter().all(|subscription| subscription.raw == is_raw));
}

#[test]
fn only_the_topic_of_commands_sends_to_the_queue_of_commands() {
    let topology = topology();
    let sends = |grant: &Grant| matches!(grant, Grant::Queue { queue, actions } if queue == "commands" && actions.contains("SendMessage"));
    assert!(!topology.functions.iter().flat_map(|function| &function.grants).any(sends));
    let delivers = |topic: &&topology::Topic| topic.subscriptions.iter().any(|one| one.queue == "commands");
    let topics: Vec<&str> = topology.topics.iter().filter(delivers).map(|topic| topic.name.as_str()).collect();
    assert_eq!(topics, ["commands"]);
}

#[test]
fn no_function_may_write_outbox_rows() {
    let topology = topology();
    let names_it = |grant: &Grant| matches!(grant, Grant::Table { table, .. } if table == "outbox");
    assert!(!topology.functions.iter().flat_map(|function| &function.grants).any(names_it));
    let reads = topology.triggers().filter_map(|(function, trigger)| match trigger {
        Trigger::Stream(stream) if stream.table == "outbox" => Some(function.name.as_str()),
        _ => None,
    });
    assert_eq!(reads.collect::<Vec<_>>(), ["outbox"]);
}

#[test]
fn no_function_that_parses_the_input_of_clients_can_act_as_a_backend() {
    use topology::Resource;
    let topology = topology();
    // The rights of a backend: outbox rows, topics, and whatever queue a backend's message passes.
    let of_backends = |resource: &Resource| match resource {
        Resource::Table(table) | Resource::Index { table, .. } | Resource::Stream(table) => table == "outbox",
        Resource::Topic(_) => true,
        Resource::Queue(queue) => queue != "publications",
        Resource::Secret(_) | Resource::Connections(_) => false,
    };
    let parses = topology.functions.iter().filter(|function| function.answers_a_websocket());
    let mut checked = BTreeSet::new();
    for function in parses {
        let too_many: Vec<_> = function.permissions().into_iter().filter(|it| of_backends(&it.resource)).collect();
        assert_eq!(too_many, [], "{}", function.name);
        checked.insert(function.name.as_str());
    }
    assert_eq!(checked, BTreeSet::from(["authorizer", "connect", "disconnect", "membership", "ingest"]));
}

#[test]
fn a_flood_of_costly_requests_leaves_half_of_the_stage_to_others() {
    let stage = std::fs::read_to_string(root().join("infra/terraform/variables.tf")).unwrap();
    let of_stage = |name: &str| -> u32 {
        let (_, rest) = stage.split_once(&format!("variable \"{name}\"")).unwrap();
        let (_, value) = rest.split_once("default     = ").unwrap();
        value.lines().next().unwrap().parse().unwrap()
    };
    let (rate, burst) = (of_stage("throttling_rate_limit"), of_stage("throttling_burst_limit"));
    let topology = topology();
    let routes = topology.triggers().filter_map(|(_, trigger)| match trigger {
        Trigger::Websocket(routes) => routes.throttle.map(|throttle| (throttle, &routes.routes)),
        _ => None,
    });
    let mut throttled = BTreeSet::new();
    for (throttle, routes) in routes {
        assert!(throttle.rate * 2 <= rate && throttle.burst * 2 <= burst, "{routes:?}: {throttle:?}");
        throttled.extend(routes.iter().map(String::as_str));
    }
    assert_eq!(throttled, BTreeSet::from(["auth", "history", "who"]));
}

fn queues_of(function: &topology::Function) -> impl Iterator<Item = &str> {
    function.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Queue(queue) => Some(queue.queue.as_str()),
        _ => None,
    })
}

#[test]
fn a_room_of_the_narrow_line_leaves_places_to_others() {
    let topology = topology();
    let deliveries = topology.triggers().find_map(|(_, trigger)| match trigger {
        Trigger::Queue(queue) if queue.queue == "deliveries" => Some(queue),
        _ => None,
    });
    let deliveries = deliveries.unwrap();
    let taken = u32::from(SHARDS_OF_A_NARROW_ROOM).div_ceil(deliveries.batch_size);
    assert!(taken < deliveries.maximum_concurrency.unwrap(), "{taken} batches at once");
}

#[test]
fn the_topology_has_nothing_to_complain_of() {
    assert!(topology().findings.is_empty(), "{:?}", topology().findings);
}

#[test]
fn queue_messages_outlive_no_publication_id() {
    let topology = topology();
    let longest = topology.queues.iter().map(|queue| queue.retention_s).max().unwrap();
    assert!(domain::limits::DEDUPE.as_secs() > u64::from(longest));
}

#[test]
fn queues_and_functions_agree_on_how_often_a_message_is_tried() {
    for queue in topology().queues {
        let tries = queue.dead_letter.as_ref().map(|dead| dead.maximum_receive_count);
        assert!(tries.is_none_or(|tries| tries == domain::limits::RECEIVES), "{}: {tries:?}", queue.name);
    }
}

#[test]
fn functions_that_publish_for_backends_end_before_the_gate_of_a_hold_is_sent() {
    let topology = topology();
    let functions = topology
        .functions
        .iter()
        .filter(|function| ["events", "outbox", "publish-api"].contains(&function.name.as_str()));
    let timeouts: Vec<u64> = functions.map(|function| u64::from(function.timeout_s)).collect();
    assert_eq!(timeouts, [domain::limits::BACKEND_TIMEOUT.as_secs(); 3]);
}

#[test]
fn a_queue_gives_a_message_up_later_than_its_function() {
    for queue in topology().queues.iter().filter(|queue| queue.dead_letter.is_some()) {
        let visibility = std::time::Duration::from_secs(queue.visibility_timeout_s.into());
        assert!(visibility >= domain::limits::VISIBILITY_TIMEOUT, "{}: {visibility:?}", queue.name);
        let retention = std::time::Duration::from_secs(queue.retention_s.into());
        assert!(retention > 2 * domain::limits::GIVE_UP_AFTER, "{}: {retention:?}", queue.name);
    }
}

#[test]
fn ingest_answers_by_the_route_that_responds_and_by_no_other() {
    let topology = topology();
    let routes =
        topology.triggers().filter(|(function, _)| function.name == "ingest").filter_map(
            |(_, trigger)| match trigger {
                Trigger::Websocket(routes) => Some(routes),
                _ => None,
            },
        );
    let (responding, one_way): (Vec<_>, Vec<_>) = routes.partition(|routes| routes.response);
    let names = |routes: &[&topology::RouteTrigger]| -> BTreeSet<String> {
        routes.iter().flat_map(|routes| routes.routes.clone()).collect()
    };
    assert_eq!(names(&responding), BTreeSet::from([ingest::RESPONDING_ROUTE.to_owned()]));
    assert_eq!(names(&one_way), ["sendMessage", "sendmessage", "broadcastAll", "$default"].map(str::to_owned).into());
}
