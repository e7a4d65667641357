//! A wire that can be cut: between one member and the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The gateway notices a peer that vanished without a word after this; it takes longer on AWS.
const NOTICED_AFTER: Duration = Duration::from_secs(8);

/// How a wire is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Cut {
    /// Both ends are reset.
    #[default]
    Both,
    /// The member's end is reset; the gateway goes on believing in it for a while, and whatever it sends is lost.
    Vanish,
}

/// Passes on whatever connects to it, until it is cut; then whatever connects anew.
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
                    // The proxy is gone.
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
