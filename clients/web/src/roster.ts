/**
 * The users of a room: one `who`, then the changes in presence blocks (PROTOCOL.md, client rule
 * 13).
 */

import type { Presence, Who } from "./room.js";

/** Names are asked for again at most this often. */
const APART_MS = 5_000;

export interface Roster {
  /** Asks who is in the room. */
  refresh(): void;
  change(members: number, users: number | undefined, came: string[], went: string[]): void;
  /** Asks no more. */
  stop(): void;
}

export function createRoster(ask: () => Promise<Who>, emit: (presence: Presence) => void): Roster {
  let names: Set<string> | undefined;
  let members = 0;
  /** The number of users that the last block since the last question has. */
  let count: number | undefined;
  /** Changes since `who` was asked. */
  let changes: [string[], string[]][] | undefined;
  /** Runs for `APART_MS` from each question. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  let again = false;

  const apply = ([came, went]: [string[], string[]]): void => {
    for (const name of came) names?.add(name);
    for (const name of went) names?.delete(name);
  };
  const report = (): void => emit({ members, users: names && [...names].sort() });
  const compare = (): void => {
    if (!timer && !changes && count !== undefined && names?.size !== count) refresh();
  };

  const refresh = (): void => {
    if (changes) {
      again = true;
      return;
    }
    again = false;
    changes = [];
    count = undefined;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      compare();
    }, APART_MS);
    ask()
      .then(
        (who) => {
          members = who.members;
          names = who.users && members <= 100 ? new Set(who.users.map(({ user }) => user)) : undefined;
          changes?.forEach(apply);
          report();
        },
        // The token may not allow it, or there is no connection: the counts of the blocks are
        // reported.
        () => {},
      )
      .finally(() => {
        changes = undefined;
        if (again) refresh();
        else compare();
      });
  };

  return {
    refresh,
    change(total, users, came, went) {
      members = total;
      count = users;
      if (users === undefined) names = undefined;
      changes?.push([came, went]);
      apply([came, went]);
      report();
      compare();
    },
    stop() {
      clearTimeout(timer);
      again = false;
      count = undefined;
    },
  };
}
