//! Values of the command line that replace those of the scenario.

use super::check::{CONNECT_RATES, DRAINS_S, Wrong, check};
use super::{Door, Phase, Scenario};

/// Values of the command line that replace those of the scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Members of all rooms together.
    pub members: Option<usize>,
    /// Members of each room that are the npm client in Node.
    pub npm_members: Option<usize>,
    /// Publications a second into each room.
    pub rate: Option<f64>,
    /// All publications into each room, in one phase of the necessary length.
    pub publications: Option<usize>,
    /// Seconds of all phases together.
    pub seconds: Option<f64>,
    /// The doors to publish through.
    pub doors: Vec<Door>,
    /// New connections a second.
    pub connect_rate: Option<f64>,
    /// Maximum seconds for the last deliveries.
    pub drain_s: Option<f64>,
}

impl Overrides {
    /// Applies the values to a scenario.
    ///
    /// # Errors
    /// [`Wrong`] when the result is not valid.
    pub fn apply(&self, mut scenario: Scenario) -> Result<Scenario, Wrong> {
        let of_all = scenario.members().max(1);
        for rooms in &mut scenario.rooms {
            if let Some(members) = self.members {
                rooms.members = (rooms.members * members).div_ceil(of_all).max(1);
            }
            rooms.npm_members = self.npm_members.unwrap_or(rooms.npm_members);
            rooms.rate = self.rate.unwrap_or(rooms.rate);
            if !self.doors.is_empty() {
                rooms.doors.clone_from(&self.doors);
            }
        }
        if let Some(publications) = self.publications {
            let rate = scenario.rooms.first().map_or(1.0, |rooms| rooms.rate).max(0.001);
            let seconds = publications as f64 / rate;
            scenario.phases =
                vec![Phase { name: "steady".to_owned(), seconds, rate: 1.0, measured: true, hostile: None }];
        }
        if let Some(seconds) = self.seconds {
            hurry(&mut scenario, seconds);
        }
        scenario.ramp.per_second = limit(self.connect_rate, scenario.ramp.per_second, *CONNECT_RATES.end());
        scenario.drain_s = limit(self.drain_s, scenario.drain_s, *DRAINS_S.end());
        check(&scenario)?;
        Ok(scenario)
    }
}

/// Chooses a limit: the command line's, or else the scenario's. 0 means the highest valid value.
fn limit(chosen: Option<f64>, planned: f64, highest: f64) -> f64 {
    match chosen {
        None => planned,
        Some(0.0) => highest,
        Some(chosen) => chosen,
    }
}

/// Scales the scenario to another length: phases keep their shares, and as many members leave and
/// return.
fn hurry(scenario: &mut Scenario, seconds: f64) {
    let planned: f64 = scenario.phases.iter().map(|phase| phase.seconds).sum();
    let factor = seconds / planned.max(f64::MIN_POSITIVE);
    scenario.phases.iter_mut().for_each(|phase| phase.seconds *= factor);
    scenario.churn.iter_mut().for_each(|churn| churn.every_s *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    const TWO: &str = r#"
name = "x"
about = "x."
[[rooms]]
count = 10
members = 5
rate = 1
[[rooms]]
members = 150
rate = 2
[[phases]]
name = "soak"
seconds = 600
"#;

    #[test]
    fn members_are_shared_out_and_publications_make_one_phase() {
        let overrides =
            Overrides { members: Some(400), publications: Some(60), rate: Some(4.0), ..Overrides::default() };
        let scenario = overrides.apply(parse(TWO, "x").unwrap()).unwrap();
        assert_eq!(scenario.rooms.iter().map(|rooms| rooms.members).collect::<Vec<_>>(), [10, 300]);
        assert_eq!((scenario.phases.len(), scenario.phases[0].seconds), (1, 15.0));
    }

    #[test]
    fn in_less_time_everything_keeps_its_part_of_it() {
        let churn = "[[phases]]\nname = \"spike\"\nseconds = 200\n[[churn]]\nkind = \"close\"\nshare = 0.1\nevery_s = 80\naway_s = 10\n";
        let overrides = Overrides { seconds: Some(80.0), ..Overrides::default() };
        let scenario = overrides.apply(parse(&format!("{TWO}{churn}"), "x").unwrap()).unwrap();
        assert_eq!(scenario.phases.iter().map(|phase| phase.seconds).collect::<Vec<_>>(), [60.0, 20.0]);
        assert_eq!((scenario.churn[0].every_s, scenario.churn[0].away_s), (8.0, 10.0));
    }

    #[test]
    fn a_limit_of_zero_is_no_limit_and_no_time_at_all_is_refused() {
        let overrides = Overrides { connect_rate: Some(0.0), drain_s: Some(0.0), ..Overrides::default() };
        let scenario = overrides.apply(parse(TWO, "x").unwrap()).unwrap();
        assert_eq!((scenario.ramp.per_second, scenario.drain_s), (100_000.0, 3_600.0));
        let quiet = Overrides { rate: Some(0.0), ..Overrides::default() };
        assert_eq!(quiet.apply(parse(TWO, "x").unwrap()).unwrap().rooms[0].rate, 0.0);
        let overrides = Overrides { seconds: Some(0.0), ..Overrides::default() };
        assert!(overrides.apply(parse(TWO, "x").unwrap()).unwrap_err().to_string().contains("seconds of phase"));
    }

    #[test]
    fn what_is_overridden_is_checked_like_the_rest() {
        let overrides = Overrides { rate: Some(1_000.0), ..Overrides::default() };
        assert!(overrides.apply(parse(TWO, "x").unwrap()).is_err());
    }
}
