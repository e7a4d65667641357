//! Laws of the planner, over plans that are drawn.

use bill::Prices;
use proptest::prelude::*;
use topology::Topology;

use super::capacity::{Planner, Resource, first_bottleneck, fullest_share};
use super::counts::Operations;
use super::file::Plan;
use super::fit::Fitted;
use super::work::{Group, Lane, Load, Model};

/// Relative difference of sums that are added in another order.
const ROUNDING: f64 = 1e-9;

fn with_planner<T>(test: impl FnOnce(&Planner<'_>) -> T) -> T {
    let topology = Topology::parse(include_str!("../../../topology.yaml")).unwrap();
    let (operations, prices, fitted) =
        (Operations::measured().unwrap(), Prices::built_in().unwrap(), Fitted::built_in().unwrap());
    let model = Model { topology: &topology, operations: &operations };
    test(&Planner { model, prices: &prices, fitted: &fitted })
}

fn plans() -> impl Strategy<Value = Plan> {
    let rooms = (1..500_u32, 1..20_000_u32, 0.0..20.0_f64, 0..24_000_u32, 0.0..5.0_f64, any::<bool>());
    (prop::collection::vec(rooms, 1..4), 0.0..24.0_f64, prop::collection::vec(0.0..1.0_f64, 24), 0.0..0.1_f64).prop_map(
        |(rooms, hours, day, broadcasts)| {
            let groups = rooms.into_iter().enumerate().map(|(at, (count, members, rate, bytes, connects, presence))| {
                format!(
                    "[[rooms]]\nname = \"g{at}\"\ncount = {count}\nmembers = {members}\nrate = {rate}\npayload_bytes = {bytes}\n\
                     connects_per_second = {connects}\npresence = {presence}\nhours_per_day = {hours}\n"
                )
            });
            let groups: String = groups.collect();
            let text =
                format!("name = \"x\"\nday = {day:?}\n[relay]\nbroadcasts_per_second = {broadcasts}\n{groups}");
            Plan::parse(&text).unwrap()
        },
    )
}

fn is_at_most(less: f64, more: f64) -> bool {
    less <= more * (1.0 + ROUNDING) + ROUNDING
}

fn is_same(a: f64, b: f64) -> bool {
    is_at_most(a, b) && is_at_most(b, a)
}

fn wanted(load: &Load) -> f64 {
    Lane::ALL.iter().map(|lane| load.wanted_posts(*lane)).sum()
}

fn deliveries(load: &Load) -> f64 {
    load.of(Lane::Narrow).map(Group::deliveries).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn more_rooms_never_cost_less_and_never_leave_more(plan in plans(), more in 1..50_u32) {
        with_planner(|planner| {
            let mut larger = plan.clone();
            // All groups grow alike, so that none takes posts from a group that is dearer.
            larger.rooms.iter_mut().for_each(|rooms| rooms.count *= 1.0 + f64::from(more) / 10.0);
            prop_assert!(is_at_most(planner.bill(&plan).total(), planner.bill(&larger).total()));
            let left = |plan: &Plan| first_bottleneck(&planner.resources(plan)).map(Resource::factor_left);
            prop_assert!(is_at_most(left(&larger).unwrap(), left(&plan).unwrap()));
            Ok(())
        })?;
    }

    #[test]
    fn more_members_never_take_less_time_and_never_need_fewer_posts(plan in plans(), more in 1..5_000_u32) {
        with_planner(|planner| {
            let mut larger = plan.clone();
            larger.rooms.iter_mut().for_each(|rooms| rooms.members += f64::from(more));
            let hour = planner.busiest_hour(&plan);
            prop_assert!(is_at_most(wanted(&planner.fullest(&plan, hour)), wanted(&planner.fullest(&larger, hour))));
            // A room that outgrows its lane has another share of the posts.
            let lanes = |plan: &Plan| planner.fullest(plan, hour).groups.iter().map(|group| group.lane).collect::<Vec<_>>();
            if lanes(&plan) == lanes(&larger) && planner.busiest_hour(&larger) == hour {
                for (ours, theirs) in planner.deliveries(&plan).iter().zip(&planner.deliveries(&larger)) {
                    prop_assert!(is_at_most(ours.p50_ms.value, theirs.p50_ms.value), "{ours:?} {theirs:?}");
                    prop_assert!(is_at_most(ours.p99_ms.value, theirs.p99_ms.value), "{ours:?} {theirs:?}");
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn more_members_never_cost_less(plan in plans(), more in 1..5_000_u32) {
        with_planner(|planner| {
            let mut plan = plan.clone();
            plan.rooms.truncate(1);
            // Frames that carry more publications make a delivery cheaper: here no lane is full.
            plan.account.requests_per_second = 1e9;
            let mut larger = plan.clone();
            larger.rooms[0].members += f64::from(more);
            prop_assert!(is_at_most(planner.bill(&plan).total(), planner.bill(&larger).total()));
            Ok(())
        })?;
    }

    #[test]
    fn dollars_are_the_sum_of_their_parts_over_services_and_hours(plan in plans()) {
        with_planner(|planner| {
            let bill = planner.bill(&plan);
            prop_assert!(bill.0.iter().all(|dollars| *dollars >= 0.0), "{bill:?}");
            let hours: f64 = planner.hours(&plan).iter().map(|hour| hour.dollars).sum();
            prop_assert!(is_same(bill.total(), hours * 365.0 / 12.0), "{} {hours}", bill.total());
            Ok(())
        })?;
    }

    #[test]
    fn doubling_the_rooms_over_twice_the_cells_leaves_each_cell_its_load(plan in plans(), cells in 1..20_u32) {
        with_planner(|planner| {
            let with = |factor: f64| {
                let mut plan = plan.clone();
                plan.cells = f64::from(cells) * factor;
                plan.rooms.iter_mut().for_each(|rooms| rooms.count *= factor);
                plan
            };
            let (one, two) = (planner.mean(&with(1.0), 12), planner.mean(&with(2.0), 12));
            prop_assert!(is_same(one.connections, two.connections) && is_same(one.connects, two.connects));
            prop_assert!(is_same(wanted(&one), wanted(&two)) && is_same(one.requests(), two.requests()));
            let mut halved = plan.clone();
            halved.cells = 2.0;
            let (all, half) = (planner.mean(&plan, 12), planner.mean(&halved, 12));
            prop_assert!(is_same(all.connections, 2.0 * half.connections));
            let rooms = |load: &Load| load.groups.iter().filter(|group| group.name != "*").map(Group::deliveries).sum::<f64>();
            prop_assert!(is_same(rooms(&all), 2.0 * rooms(&half)));
            Ok(())
        })?;
    }

    #[test]
    fn posts_are_within_the_budget_unless_full_frames_need_more(plan in plans(), hour in 0..24_usize) {
        with_planner(|planner| {
            let load = planner.fullest(&plan, hour);
            for lane in Lane::ALL {
                let budget = super::work::post_rate(planner.model.topology, plan.account.post_budget(), lane);
                let fewest: f64 = load.of(lane).map(|group| group.fewest_posts).sum();
                prop_assert!(is_at_most(load.posts(lane), budget + fewest), "{}", load.posts(lane));
                prop_assert!(is_at_most(load.posts(lane), load.wanted_posts(lane)));
            }
            prop_assert!(load.groups.iter().all(|group| group.jobs() >= 0.0 && group.partition_writes() >= 0.0));
            Ok(())
        })?;
    }

    #[test]
    fn the_fullest_cell_has_its_share_at_least_and_all_rooms_at_most(rooms in 1..100_000_u32, cells in 1..200_u32) {
        let share = fullest_share(rooms.into(), cells.into());
        prop_assert!((1.0 / f64::from(cells) - ROUNDING..=1.0).contains(&share), "{share}");
        prop_assert!(fullest_share(f64::from(rooms) * 4.0, cells.into()) <= share + ROUNDING);
    }
}

#[test]
fn the_planner_reproduces_the_simulated_day_with_a_million_connections() {
    let plan = Plan::parse(include_str!("../../plans/million.toml")).unwrap();
    with_planner(|planner| {
        let peak = planner.hours(&plan).iter().map(|hour| hour.connections).fold(0.0, f64::max);
        assert!((peak - 1e6).abs() < 1.0, "{peak}");
        let simulated = super::day::simulate(&plan, 1);
        let day = |of: fn(&super::day::Hour) -> f64| simulated.iter().map(of).sum::<f64>();
        let planned = |of: fn(&super::capacity::Hour) -> f64| planner.hours(&plan).iter().map(of).sum::<f64>();
        let differs = |planned: f64, simulated: f64, by: f64| {
            assert!((planned / simulated - 1.0).abs() < by, "planned {planned}, simulated {simulated}");
        };
        differs(planned(|hour| hour.connections), day(|hour| hour.connections), 0.02);
        differs(planned(|hour| hour.deliveries), day(|hour| hour.deliveries), 0.05);
        differs(planned(|hour| hour.connects), day(|hour| hour.connects), 0.15);
        // Quotas are planned for the fullest cell: no minute of the day may need more.
        let most = |of: fn(&super::day::Hour) -> f64| simulated.iter().map(of).fold(0.0, f64::max);
        let fullest = |of: fn(&Load) -> f64| (0..24).map(|hour| of(&planner.fullest(&plan, hour))).fold(0.0, f64::max);
        let available = |name: super::capacity::Limit| {
            planner.resources(&plan).into_iter().find(|resource| resource.limit == name).unwrap().available
        };
        assert!(most(|hour| hour.most_connects) < available(super::capacity::Limit::Connects));
        differs(fullest(|load| load.connects), most(|hour| hour.most_connects), 0.20);
        differs(fullest(deliveries), most(|hour| hour.most_deliveries), 0.20);
    });
}
