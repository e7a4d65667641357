//! A proxy between one member and the gateway whose connections can be cut.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Time after which the gateway notices a peer that vanished without a close. AWS takes longer.
const NOTICED_AFTER: Duration = Duration::from_secs(8);

/// The way in which a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Cut {
    /// Both ends are reset.
    #[default]
    Both,
    /// The member's end is reset. The gateway keeps its end open for a while, and everything that
    /// it sends is lost.
    Vanish,
}

/// Forwards connections until they are cut. Later connections are forwarded again.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    cuts: watch::Sender<Cut>,
}

impl Proxy {
    pub(super) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(Cut::default());
        tokio::spawn(async move {
            let mut stopped = cut.clone();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    // The proxy was dropped.
                    () = gone(&mut stopped) => return,
                };
                if let Ok((member, _)) = accepted {
                    tokio::spawn(pass_on(member, target, cut.clone()));
                }
            }
        });
        Self { address, cuts }
    }

    pub(super) fn cut(&self, how: Cut) {
        self.cuts.send_replace(how);
    }
}

async fn gone(cut: &mut watch::Receiver<Cut>) {
    while cut.changed().await.is_ok() {}
}

async fn pass_on(mut member: TcpStream, target: SocketAddr, mut cut: watch::Receiver<Cut>) {
    cut.mark_unchanged();
    let Ok(mut gateway) = TcpStream::connect(target).await else { return };
    for end in [&member, &gateway] {
        drop(end.set_nodelay(true));
    }
    tokio::select! {
        _ = copy_bidirectional(&mut member, &mut gateway) => return,
        cut = cut.changed() => if cut.is_err() { return },
    }
    drop(member.set_zero_linger());
    drop(member);
    let how = *cut.borrow();
    if how == Cut::Vanish {
        tokio::time::sleep(NOTICED_AFTER).await;
    }
    drop(gateway.set_zero_linger());
}
