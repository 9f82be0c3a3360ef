//! A hub whose side of every session is played by the test.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use flyte_registration_proto::hub::v1::{
    AgentMessage, HubMessage, Limits, Welcome, agent_message, hub_message,
    registration_hub_server::{RegistrationHub, RegistrationHubServer},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Identity, Server, ServerTlsConfig},
};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Hub {
    pub address: SocketAddr,
    sessions: mpsc::Receiver<Session>,
    server: JoinHandle<()>,
}

/// One session that an agent opened.
pub struct Session {
    pub authorization: Option<String>,
    inbound: Streaming<AgentMessage>,
    outbound: mpsc::Sender<Result<HubMessage, Status>>,
}

struct Service(mpsc::Sender<Session>);

#[tonic::async_trait]
impl RegistrationHub for Service {
    type SessionStream = ReceiverStream<Result<HubMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let authorization = request.metadata().get("authorization");
        let authorization = authorization.map(|it| it.to_str().unwrap().to_owned());
        let (outbound, messages) = mpsc::channel(16);
        let session = Session {
            authorization,
            inbound: request.into_inner(),
            outbound,
        };
        self.0
            .send(session)
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

impl Hub {
    pub async fn start(tls: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sessions) = mpsc::channel(4);
        let mut server = Server::builder();
        if let Some(identity) = tls {
            server = server
                .tls_config(ServerTlsConfig::new().identity(identity))
                .unwrap();
        }
        let serve = server
            .add_service(RegistrationHubServer::new(Service(sender)))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serve.await.unwrap() });
        Self {
            address,
            sessions,
            server,
        }
    }

    /// The next session that an agent opens.
    pub async fn session(&mut self) -> Session {
        timeout(PATIENCE, self.sessions.recv())
            .await
            .expect("no session was opened")
            .unwrap()
    }

    /// The next session, welcomed.
    pub async fn welcomed(&mut self) -> Session {
        let mut session = self.session().await;
        session.hello().await;
        session.send(hub_message::Kind::Welcome(welcome())).await;
        session
    }

    /// Whether nobody opens a session for a while.
    pub async fn is_left_alone(&mut self) -> bool {
        timeout(Duration::from_millis(300), self.sessions.recv())
            .await
            .is_err()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Session {
    pub async fn hello(&mut self) -> flyte_registration_proto::hub::v1::Hello {
        match self.next().await {
            agent_message::Kind::Hello(hello) => hello,
            other => panic!("{other:?} is no Hello"),
        }
    }

    /// The next message, heartbeats included.
    pub async fn next(&mut self) -> agent_message::Kind {
        let message = timeout(PATIENCE, self.inbound.message())
            .await
            .expect("the agent is silent");
        message
            .unwrap()
            .expect("the agent ended the stream")
            .kind
            .unwrap()
    }

    /// Waits until the agent has ended the stream.
    pub async fn ended(&mut self) {
        let ended = async { while let Ok(Some(_)) = self.inbound.message().await {} };
        timeout(PATIENCE, ended)
            .await
            .expect("the agent did not end the stream");
    }

    pub async fn send(&self, kind: hub_message::Kind) {
        self.outbound
            .send(Ok(HubMessage { kind: Some(kind) }))
            .await
            .unwrap();
    }

    /// All objects of the snapshot that comes next, and in how many chunks they came.
    pub async fn snapshot(&mut self) -> (Vec<String>, usize) {
        let (mut names, mut chunks) = (Vec::new(), 0);
        loop {
            let agent_message::Kind::Snapshot(chunk) = self.next().await else {
                panic!("no snapshot")
            };
            chunks += 1;
            names.extend(chunk.objects.into_iter().map(|it| it.key.unwrap().name));
            if chunk.last {
                return (names, chunks);
            }
        }
    }
}

/// A Welcome with short timers and small chunks.
pub fn welcome() -> Welcome {
    Welcome {
        protocol: 1,
        session: "test".to_owned(),
        heartbeat_seconds: 1,
        gone_seconds: 2,
        limits: Some(Limits {
            max_message_bytes: 0,
            max_chunk_bytes: 300,
            max_spec_bytes: 1000,
        }),
    }
}

/// A certificate for 127.0.0.1, and the file of the CA that signed it.
pub fn certificate(directory: &std::path::Path) -> (Identity, PathBuf) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let file = directory.join("ca.pem");
    std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (
        Identity::from_pem(certificate.pem(), key.serialize_pem()),
        file,
    )
}
