//! The run of a seed is the same each time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use simulation::{Mistake, Options, run};

#[test]
fn one_seed_run_twice_is_the_same_story_to_the_letter() {
    for seed in 0..40 {
        let told = Options { told: true, ..simulation::campaign::options(seed, None) };
        let (once, again) = (run(seed, &told), run(seed, &told));
        assert!(once.story.len() > 20, "something happens");
        assert_eq!(once.story, again.story, "seed {seed}");
        assert_eq!((once.fired, once.points), (again.fired, again.points), "seed {seed}");
    }
}

#[test]
fn a_story_that_is_not_told_is_lived_all_the_same() {
    for seed in 0..40 {
        let (told, untold) = (Options { told: true, ..Options::default() }, Options::default());
        let (told, untold) = (run(seed, &told), run(seed, &untold));
        assert_eq!((told.fired, told.deliveries), (untold.fired, untold.deliveries), "seed {seed}");
        assert!(untold.story.is_empty());
    }
}

#[test]
fn a_story_is_told_in_plain_words_after_its_legend() {
    for seed in 0..20 {
        let report = run(seed, &Options { told: true, ..simulation::campaign::options(seed, None) });
        let legend = simulation::story::legend(seed, &report.chosen);
        assert_eq!(legend[0], format!("The story of seed {seed}."));
        assert!(legend.iter().any(|line| line.contains("a position: the epoch of a room")));
        for line in &report.story {
            let words = line.trim_start().split_once("  ").map_or("", |(_, words)| words);
            assert!(!words.is_empty(), "{line:?} has a time and words");
            let debug = ["Some(", "None", "Id(", "Sequence(", "Timestamp(", "Position {", "Message {", "Step::"];
            assert!(!debug.iter().any(|text| words.contains(text)), "{line:?} is for a debugger");
        }
    }
}

#[test]
fn a_mistake_is_found_and_its_story_is_made_shorter() {
    let mistake = Mistake::all().into_iter().find(|mistake| mistake.name() == "CloseIgnored");
    let failed = simulation::campaign::campaign(0..500, mistake, 1, |_| {}).failed.remove(0);
    let kind = failed.broken[0].kind;
    let options = simulation::campaign::options(failed.seed, mistake);
    let shortest = simulation::shrink::shrink(failed.seed, &options, kind);
    assert!(run(failed.seed, &shortest).broken.iter().any(|broken| broken.kind == kind));
    assert!(
        shortest.skipped.len() > failed.steps / 2,
        "{} of {} steps are left out",
        shortest.skipped.len(),
        failed.steps
    );
}

#[test]
fn there_are_at_least_twenty_mistakes_to_be_found() {
    assert!(Mistake::all().len() >= 20);
}
