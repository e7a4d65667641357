//! Every contract over the wire: the adapters against the embedded stack.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "gateway.rs"]
mod real_gateway;
mod stack;

use testkit::contract_tests;

contract_tests!(charges, stack::start);
contract_tests!(connections, stack::start);
contract_tests!(memberships, stack::start);
contract_tests!(entrances, stack::start);
contract_tests!(renewals, stack::start);
contract_tests!(rooms, stack::start);
contract_tests!(bans, stack::start);
contract_tests!(holds, stack::start);
contract_tests!(submissions, stack::start);
contract_tests!(jobs, stack::start);
contract_tests!(retries, stack::start);
contract_tests!(gateway, real_gateway::start);
contract_tests!(rosters, stack::start);
contract_tests!(presences, stack::start);
contract_tests!(checks, stack::start);
contract_tests!(activities, stack::start);
