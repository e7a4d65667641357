//! Every contract over the memory adapters: as they are, and with the worst indexes.

mod memory {
    use testkit::{World, contract_tests};

    async fn world() -> World {
        World::new()
    }

    contract_tests!(charges, world);
    contract_tests!(connections, world);
    contract_tests!(memberships, world);
    contract_tests!(entrances, world);
    contract_tests!(renewals, world);
    contract_tests!(rooms, world);
    contract_tests!(bans, world);
    contract_tests!(holds, world);
    contract_tests!(submissions, world);
    contract_tests!(jobs, world);
    contract_tests!(retries, world);
    contract_tests!(gateway, world);
    contract_tests!(rosters, world);
    contract_tests!(presences, world);
    contract_tests!(checks, world);
    contract_tests!(activities, world);
}

mod memory_that_lags {
    use std::time::Duration;

    use testkit::memory::Lag;
    use testkit::{World, contract_tests};

    /// Indexes lag by more than one read, and pages are small and half of them empty.
    async fn world() -> World {
        let world = World::new();
        world.store.set_lag(Lag::Time(Duration::from_millis(120)));
        world.store.set_page_size(7);
        world.store.set_empty_pages(true);
        world.gateway.set_latency(Duration::from_millis(20));
        world
    }

    contract_tests!(charges, world);
    contract_tests!(connections, world);
    contract_tests!(memberships, world);
    contract_tests!(entrances, world);
    contract_tests!(renewals, world);
    contract_tests!(gateway, world);
}
