//! The client rules of rooms.v1 as a library, and a terminal chat.
