//! Builds a run from its seed, script and options.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use testkit::clock::{TurnedClock, Turning};
use testkit::memory::{Bug, Lag, Queues, Store, Topic};
use testkit::samples;

use crate::backend::Backend;
use crate::chance::Dice;
use crate::core::Shared;
use crate::due::Due;
use crate::executor::Executor;
use crate::faults::{Fault, Faults};
use crate::feeds::Feeds;
use crate::flood::Flood;
use crate::hands::Idle;
use crate::leaves::Leaves;
use crate::members::Member;
use crate::mistake::Mistake;
use crate::pipeline::Pipeline;
use crate::report::Options;
use crate::run::{REAPER_EVERY_MS, Run};
use crate::scale::Scale;
use crate::script::Script;
use crate::served::Served;
use crate::silent::{Excuses, Silent};

impl Run {
    pub(crate) fn new(seed: u64, faults: Faults, script: &Script, scale: Scale, options: &Options) -> Self {
        let clock = TurnedClock::new(samples::NOW, Turning::ByHand);
        // With redrives, messages become dead letters after two receives, so that there are some to
        // redrive.
        let most_receives = if faults.has(Fault::Redriven) { 2 } else { domain::limits::RECEIVES };
        let (lags, small) = (faults.has(Fault::IndexLags), faults.has(Fault::SmallPages));
        let shared = Shared::new(clock.clone(), samples::NOW, seed, faults, options.told);
        // The run reads and changes the tables between any two steps of functions, so a transaction
        // must not hold items across steps.
        let store = Store::new(clock.clone()).with_transaction_hold(Duration::ZERO);
        let bug = match options.mistake {
            Some(Mistake::Memory(bug)) => Some(bug),
            _ => None,
        };
        let pipeline = Pipeline {
            shared: shared.clone(),
            store: store.with_bug(bug),
            queues: Queues::new(clock),
            topic: Topic::default(),
            mistake: options.mistake,
            bug,
            chance: Dice::new(seed, 5).seeded(),
            scale,
            idle: Idle::default(),
        };
        {
            let mut core = shared.lock();
            core.targets.clone_from(&options.targets);
            core.trouble = script.trouble;
            core.slow = script.slow;
            core.lag = scale.index_lags();
            if lags {
                core.faults.note(Fault::IndexLags);
                store.set_lag(if scale.wavers { Lag::Wavers(scale.lag) } else { Lag::Time(scale.lag) });
            }
            if small || bug == Some(Bug::NoPaging) {
                core.faults.note(Fault::SmallPages);
                store.set_page_size(2);
                store.set_empty_pages(bug != Some(Bug::NoPaging));
            }
            for (number, (at, member, step)) in script.steps.iter().enumerate() {
                if !options.skipped.contains(&number) {
                    core.after_ms(*at, Due::Step(*member, step.clone()));
                }
            }
            core.after_ms(script.heals_ms, Due::Heal);
            core.after_ms(REAPER_EVERY_MS, Due::Reap);
        }
        script.trouble.into_iter().for_each(|trouble| trouble.prepares(&store));
        let mut members: Vec<Member> =
            script.users.iter().enumerate().map(|(at, user)| Member::new(at, user, seed)).collect();
        for (at_ms, stranger) in &script.strangers {
            shared.lock().after_ms(*at_ms, Due::Begin(members.len()));
            let mallory = Member::new(members.len(), "mallory", seed);
            members.push(Member { stranger: Some(*stranger), ..mallory });
        }
        Self {
            shared,
            executor: Executor::default(),
            pipeline,
            feeds: Feeds::new(most_receives),
            members,
            mistake: options.mistake,
            connections: 0,
            requests: 0,
            published: 0,
            belonged: BTreeMap::new(),
            restored: BTreeSet::new(),
            backend: Backend::default(),
            said_at: BTreeMap::new(),
            said: BTreeMap::new(),
            quiet: BTreeSet::new(),
            loud: BTreeSet::new(),
            issued: BTreeMap::new(),
            no_tokens_until: samples::NOW,
            said_gone: BTreeSet::new(),
            flood: Flood::default(),
            leaves: Leaves::default(),
            trouble: script.trouble,
            silent: Silent::default(),
            served: Served::default(),
            opened: BTreeMap::new(),
            excuses: Excuses::new(),
            order: Dice::new(seed, 6),
            sizes: Dice::new(seed, 14),
            questions: 0,
            ended: false,
        }
    }
}
