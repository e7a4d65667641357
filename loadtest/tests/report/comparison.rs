//! Two results are compared in words and drawn over each other.

use loadtest::report::{Report, compare};

use crate::dom::Node;
use crate::made::run;

/// A run of 30 seconds. Its times are a little different for each seed, and `slower` times as long.
fn of(seed: usize, slower: f64) -> Report {
    let spread = move |n: usize| ((n * 7_919 + seed * 104_729) % 9_973) as f64 / 9_973.0;
    run(30, false, move |n| ((20_000.0 + 30_000.0 * spread(n)) * slower) as i64)
}

#[test]
fn two_runs_of_the_same_distribution_are_the_same_within_noise() {
    for seed in 1..6 {
        let text = compare::text(&of(0, 1.0), &of(seed, 1.0));
        assert!(text.contains("SAME: no change of the delivery time is more than noise."), "{text}");
        assert_eq!(text.matches("Within noise: the change is between").count(), 4, "{text}");
    }
}

#[test]
fn a_slower_run_is_slower_by_more_than_noise_and_the_other_way_round_faster() {
    let (a, b) = (of(0, 1.0), of(1, 1.4));
    let text = compare::text(&a, &b);
    assert!(text.contains("SLOWER: B delivers more slowly than A, by more than noise."), "{text}");
    let sentence = text.lines().find(|line| line.contains("delivery to each member, p50:")).unwrap();
    assert!(sentence.contains("35 -> 49 ms (+") && sentence.contains("Slower, by more than noise"), "{sentence}");
    assert!(compare::text(&b, &a).contains("FASTER: B delivers faster than A, by more than noise."));
    assert!(text.contains("block bootstrap"), "the method is explained");
}

#[test]
fn results_without_times_by_second_are_not_judged() {
    let mut old = of(0, 1.0);
    old.run.phases_began_s = None;
    let text = compare::text(&old, &of(1, 1.4));
    assert!(text.contains("NOT JUDGED"), "{text}");
    assert!(text.contains("Not judged: a result does not have these times by second"), "{text}");
    let mut invalid = of(1, 1.4);
    let told = "127 ms".to_owned();
    invalid.judgement.invalid.push(loadtest::report::Finding { what: "saturated generator".to_owned(), told });
    let text = compare::text(&of(0, 1.0), &invalid);
    assert!(
        text.contains("NOT JUDGED") && text.contains("The times of B are invalid (saturated generator)."),
        "{text}"
    );
    let short = run(10, false, |_| 10_000);
    assert!(compare::text(&short, &short).contains("too short: at least 24 seconds"));
}

#[test]
fn numbers_that_a_run_has_once_are_compared_without_a_judgement() {
    let lost = run(30, true, |_| 20_000);
    let text = compare::text(&of(0, 1.0), &lost);
    let missing = text.lines().find(|line| line.starts_with("missing")).unwrap();
    assert_eq!(missing.split_whitespace().collect::<Vec<_>>(), ["missing", "0.000", "1.000", "-"]);
    assert!(text.contains("B is not correct (lost tail). No amount of that is noise."), "{text}");
}

#[test]
fn the_page_draws_both_runs_over_each_other() {
    let page = Node::parse(&compare::page(&of(0, 1.0), &of(1, 1.4)));
    assert!(page.of_class("p", "verdict")[0].text.starts_with("SLOWER: B"));
    let ids: Vec<&str> = page.all("figure").iter().map(|figure| figure.get("id")).collect();
    assert_eq!(ids, ["latency", "percentiles", "deliveries"]);
    for figure in page.all("figure") {
        let legend = &figure.of_class("p", "legend")[0].text;
        assert!(legend.contains("A, ") && legend.contains("B, "), "{legend}");
        for class in ["large", "small"] {
            let drawing = figure.of_class("svg", class)[0];
            assert!(!drawing.of_class("path", "l0").is_empty() && !drawing.of_class("path", "l1").is_empty());
            assert_eq!(drawing.of_class("text", "unit").len(), 2);
        }
    }
    let rows = page.rows();
    let row = rows.iter().find(|row| row[0] == "delivery to each member, p99").unwrap();
    assert!(row[4].starts_with("Slower, by more than noise: the change is between +3"), "{row:?}");
}
