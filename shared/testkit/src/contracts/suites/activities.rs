//! Promises of [`Activities`]: each activity arrives, with the attributes for filters.

use std::collections::BTreeSet;

use domain::ports::Activities;
use domain::{Activity, Kind};

use crate::contracts::scene::{eventually, unique, unique_room};
use crate::contracts::{Told, TopicFixture};
use crate::samples;

pub async fn nothing_to_tell_is_no_error(fixture: &impl TopicFixture) {
    fixture.topic().tell(&[]).await.unwrap();
}

pub async fn an_activity_arrives_as_it_was_told_with_attributes_to_filter_on(fixture: &impl TopicFixture) {
    let joined = Activity {
        user: Some(samples::user("ada")),
        connection: Some(samples::connection_id("L0SM9cOFvHcCIhw=")),
        ..activity(Kind::MemberJoined)
    };
    let up = Activity { room: None, members: None, ..joined.clone() };
    let up = Activity { kind: Kind::ConnectionUp, id: unique("e"), ..up };
    for (activity, names) in [(joined, vec!["kind", "room", "user"]), (up, vec!["kind", "user"])] {
        fixture.topic().tell(std::slice::from_ref(&activity)).await.unwrap();
        let told = take(fixture, 1).await.remove(0);
        assert_eq!(told.activity, activity);
        assert_eq!(told.attributes.keys().map(String::as_str).collect::<Vec<_>>(), names);
        assert_eq!(told.attributes["kind"], activity.kind.as_str());
    }
}

pub async fn every_one_of_23_activities_arrives(fixture: &impl TopicFixture) {
    let activities: Vec<Activity> = (0..23).map(|_| activity(Kind::RoomVacated)).collect();
    fixture.topic().tell(&activities).await.unwrap();
    let ids = |activities: Vec<Activity>| activities.into_iter().map(|one| one.id).collect::<BTreeSet<String>>();
    let told = take(fixture, activities.len()).await.into_iter().map(|told| told.activity).collect();
    assert_eq!(ids(told), ids(activities));
}

fn activity(kind: Kind) -> Activity {
    Activity {
        id: unique("e"),
        kind,
        room: Some(unique_room()),
        user: None,
        connection: None,
        device: None,
        members: Some(3),
        at: samples::NOW,
    }
}

async fn take(fixture: &impl TopicFixture, count: usize) -> Vec<Told> {
    let mut taken = Vec::new();
    let look = async || {
        taken.extend(fixture.take_told().await);
        (taken.len() >= count).then_some(())
    };
    eventually(fixture.clock(), &format!("{count} activities"), look).await;
    assert_eq!(taken.len(), count, "{taken:?}");
    taken
}
