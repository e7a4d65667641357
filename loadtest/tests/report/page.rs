//! The page of a run says what its result says, and can be read without other context.

use loadtest::report::{Report, page};

use crate::dom::Node;
use crate::made::{full, report};

fn parsed(report: &Report) -> Node {
    Node::parse(&page::page(report))
}

/// The four numbers that matter, each with its label and its threshold.
fn tiles(page: &Node) -> Vec<String> {
    page.of_class("div", "tile").into_iter().map(|tile| tile.text.clone()).collect()
}

#[test]
fn the_page_needs_no_network_is_small_and_shows_no_token() {
    let html = page::page(&report(true));
    assert!(html.len() < 1_000_000, "{}", html.len());
    for loads in ["http://", "https://", "<script", "url(", "@import", "src="] {
        assert!(!html.contains(loads), "the page contains {loads}");
    }
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("@media print"));
    assert!(html.contains("A &lt;test&gt; &amp; no more.") && !html.contains("secret"));
}

#[test]
fn the_first_screen_has_the_verdict_four_numbers_with_thresholds_one_chart_and_the_cost() {
    let page = parsed(&full());
    let verdict = page.of_class("p", "verdict")[0].text.clone();
    assert_eq!(verdict, "PASS: every publication reached every member, once and in order");
    let tiles = tiles(&page);
    let expected = [
        ("Delivered once and in order", "100%", "2,000 of 2,000"),
        ("Delivery: 99 of 100 within", "105 ms", "threshold 150 ms: held"),
        ("Last member: 99 of 100 within", "105 ms", "no threshold"),
        ("Connections lost", "0", "no threshold"),
    ];
    assert_eq!(tiles.len(), expected.len());
    for (tile, (label, value, threshold)) in tiles.iter().zip(expected) {
        assert!(tile.starts_with(&format!("{label}{value}")) && tile.contains(threshold), "{tile}");
    }
    let cost = &page.of_class("p", "cost")[0].text;
    assert!(cost.contains("$0.75 if it had run on AWS") && cost.contains("$375.00 for a million deliveries"), "{cost}");
    let html = page::page(&full());
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("class=\"verdict\"") < at("class=\"tiles\"") && at("class=\"tiles\"") < at("id=\"latency\""));
    assert!(at("id=\"latency\"") < at("class=\"cost\"") && at("class=\"cost\"") < at("id=\"account\""));
}

#[test]
fn a_failed_threshold_and_a_lost_publication_are_told_on_the_first_screen() {
    let mut slow = report(true);
    slow.judgement.thresholds[0].was = Some(612.0);
    let page = parsed(&slow);
    let reasons = &page.of_class("ul", "reasons")[0].text;
    assert!(reasons.contains("lost tail: 1 missing after the last"), "{reasons}");
    assert!(reasons.contains("each_p99_ms was 612; at most 150 is allowed"), "{reasons}");
    let tiles = tiles(&page);
    assert!(tiles[0].contains("99.950%") && tiles[0].contains("1,999 of 2,000; not allowed, but found: lost tail"));
    assert!(tiles[1].contains("threshold 150 ms: FAILED"), "{tiles:?}");
    assert_eq!(page.of_class("div", "bad").len(), 2);
    assert!(page.text.contains("publication 999 of load-r-0 never reached member 1 (lost tail)"));
}

#[test]
fn every_chart_has_axes_units_a_legend_a_description_and_its_numbers_as_a_table() {
    let page = parsed(&full());
    let figures = page.all("figure");
    let ids: Vec<&str> = figures.iter().map(|figure| figure.get("id")).collect();
    let expected = ["latency", "account", "percentiles", "deliveries", "last-members", "connections", "calls", "cost"];
    assert_eq!(ids, expected);
    for figure in figures {
        let id = figure.get("id");
        for class in ["large", "small"] {
            let drawings = figure.of_class("svg", class);
            assert_eq!(drawings.len(), 1, "{id} is drawn once for {class} screens");
            let drawing = drawings[0];
            assert!(!drawing.of_class("path", "axis").is_empty(), "{id} has axes");
            let units = drawing.of_class("text", "unit");
            let axes = if ["account", "calls", "cost"].contains(&id) { 1 } else { 2 };
            assert!(units.len() == axes && units.iter().all(|unit| !unit.text.is_empty()), "{id} has units");
            assert!(drawing.all("text").len() > axes + 2, "{id} has numbers at its axes");
            assert_eq!(drawing.get("role"), "img");
            let described = drawing.get("aria-labelledby").split(' ').collect::<Vec<_>>();
            let own: Vec<&str> = [drawing.all("title")[0], drawing.all("desc")[0]].map(|node| node.get("id")).into();
            assert_eq!(described, own, "{id} has a title and a description");
        }
        assert!(!figure.of_class("p", "legend")[0].all("span").is_empty(), "{id} has a legend");
        assert!(figure.all("details")[0].rows().len() > 2, "{id} has a table");
    }
}

#[test]
fn ids_are_unique() {
    let page = parsed(&full());
    let names = ["figure", "title", "desc"];
    let mut ids: Vec<&str> = names.iter().flat_map(|name| page.all(name)).map(|node| node.get("id")).collect();
    ids.retain(|id| !id.is_empty());
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn the_numbers_of_the_charts_are_those_of_the_result() {
    let report = full();
    let page = parsed(&report);
    let rows = page.figure("latency").rows();
    assert_eq!(rows[0][..3], ["seconds since the run began", "p50, milliseconds", "p99, milliseconds"]);
    let second = report.over_time.iter().find(|bucket| bucket.at_s > 4.5).unwrap();
    let row = rows.iter().find(|row| row[0] == "5.0").unwrap();
    let shown = |ms: Option<f64>| format!("{:.0}", ms.unwrap());
    assert_eq!((row[1], row[2]), (&*shown(second.p50_ms), &*shown(second.p99_ms)));
    let rows = page.figure("percentiles").rows();
    let p99 = rows.iter().find(|row| row[0] == "p99").unwrap();
    assert_eq!(p99[1], shown(report.times.each.at(0.99)));
    assert!(rows.iter().all(|row| row[0] != "p99.99"), "2,000 deliveries cannot distinguish it from the maximum");
    let rows = page.figure("calls").rows();
    assert_eq!(rows[1], ["fanout", "1,201", "0", "0", "77", "0", "1,278"]);
    assert_eq!(page.figure("cost").rows()[1][1], "0.5");
}

#[test]
fn the_parts_of_the_account_add_up_to_all_pairs_in_the_table_and_in_the_drawing() {
    let mut report = report(true);
    report.account.tally.recovered_in_gaps = 3;
    report.account.tally.recovered_by_resume = 200;
    let page = parsed(&report);
    let figure = page.figure("account");
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    let rows = figure.rows();
    let parts: Vec<(&str, u64)> = rows[1..rows.len() - 1].iter().map(|row| (row[0], number(row[1]))).collect();
    assert_eq!(
        parts[..4],
        [("delivered live", 1_796), ("recovered in gaps", 3), ("recovered by resume", 200), ("missing", 1)]
    );
    let sum: u64 = parts.iter().map(|part| part.1).sum();
    assert_eq!((sum, number(rows.last().unwrap()[1])), (report.account.expected, report.account.expected));
    for class in ["large", "small"] {
        let drawing = figure.of_class("svg", class)[0];
        let rects = drawing.all("rect");
        assert_eq!(rects.len(), 4, "each part that is not zero can be seen");
        for pair in rects.windows(2) {
            let end = pair[0].number("x") + pair[0].number("width");
            assert!((end - pair[1].number("x")).abs() < 0.02, "no gap and no overlap");
        }
        let width: f64 = rects.iter().map(|rect| rect.number("width")).sum();
        let axis = drawing.of_class("path", "axis")[0].get("d").to_owned();
        let ends: Vec<f64> =
            [axis[1..].split(' ').next(), axis.split('H').nth(1)].map(|x| x.unwrap().parse().unwrap()).into();
        assert!((width - (ends[1] - ends[0])).abs() < 0.2, "the bar is as long as its axis: {width}, {ends:?}");
    }
}

#[test]
fn the_faults_that_fired_are_marked_beside_the_curve_and_counted() {
    let page = parsed(&full());
    for id in ["latency", "deliveries"] {
        let figure = page.figure(id);
        for class in ["large", "small"] {
            assert_eq!(figure.of_class("svg", class)[0].of_class("path", "mark").len(), 2, "{id}, {class}");
        }
        let legend = &figure.of_class("p", "legend")[0].text;
        assert!(legend.contains("fault F17 DynamoDB throttles a call: 7 times"), "{legend}");
    }
    let rows = page.figure("latency").rows();
    assert!(rows.iter().any(|row| row[0] == "9.0" && row[3] == "2"), "the table has them too");
    assert!(page.rows().contains(&vec!["F17 DynamoDB throttles a call", "7"]));
}

#[test]
fn the_phases_are_marked_and_named() {
    let page = parsed(&full());
    let drawing = page.figure("latency").of_class("svg", "large")[0].clone();
    assert_eq!(drawing.of_class("rect", "band").len(), 1);
    assert!(page.figure("latency").of_class("p", "legend")[0].text.contains("phase s, 20 s"));
    let mut old = full();
    old.run.phases_began_s = None;
    assert!(parsed(&old).of_class("rect", "band").is_empty(), "an older result does not have their start");
}

#[test]
fn the_page_fits_small_screens() {
    let html = page::page(&full());
    let page = Node::parse(&html);
    assert_eq!(page.all("table").len(), page.of_class("div", "wide").len(), "each table scrolls alone");
    assert!(!html.contains("<pre") && html.contains("@media (max-width: 700px)"), "no line is wider than the page");
}

/// The contrast of two colours: WCAG 2.2, <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let digits: String =
            colour.chars().flat_map(|digit| if colour.len() == 3 { vec![digit; 2] } else { vec![digit] }).collect();
        let channel = |n: usize| {
            let part = f64::from(u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap()) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_and_lines_have_enough_contrast_in_light_in_dark_and_in_print() {
    let css = include_str!("../../src/report/page.css");
    let schemes: Vec<&str> = css.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(schemes.len(), 3);
    for scheme in schemes {
        let colour = |name: &str| {
            let value = scheme.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("{name} in {scheme}"));
            value.split(';').next().unwrap()
        };
        for text in ["ink", "soft", "bad"] {
            for ground in ["paper", "card"] {
                assert!(contrast(colour(text), colour(ground)) >= 4.5, "{text} on {ground} in {scheme}");
            }
        }
        for text in ["soft", "ink"] {
            assert!(contrast(colour(text), colour("odd")) >= 4.5, "{text} on a phase in {scheme}");
        }
        for line in ["c0", "c1", "c2", "bad", "axis"] {
            for ground in ["paper", "band", "odd"] {
                assert!(contrast(colour(line), colour(ground)) >= 3.0, "{line} on {ground} in {scheme}");
            }
        }
    }
}

#[test]
fn a_run_under_faults_names_those_that_fired_and_the_calls_that_failed() {
    let mut result = report(false);
    result.usage.faults.insert("F33 the account is throttled (429)".to_owned(), 1_412.0);
    result.usage.failed_calls.insert("@connections 429 (account)".to_owned(), 1_412.0);
    let text = loadtest::report::verdict::text(&result);
    assert!(text.contains("  fault on demand         F33 the account is throttled (429): 1,412 times\n"), "{text}");
    assert!(text.contains("failed: @connections 429 (account)    1,412\n"), "{text}");
    let rows = parsed(&result);
    let rows = rows.rows();
    assert!(rows.contains(&vec!["F33 the account is throttled (429)", "1,412"]), "{rows:?}");
    assert!(rows.contains(&vec!["@connections 429 (account)", "1,412"]), "{rows:?}");
}
