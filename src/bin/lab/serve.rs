//! `lab serve`: a world of API servers that runs as fast as the clock on the wall, and a door into it for real clients.
//!
//! What a client asks is typed into the world as an input and travels its wires from the learner's workstation; what comes
//! back is sent on. Lines of standard input are typed into the world's first terminal. Nothing is handled here. TLS is real,
//! since kubectl gives its token to nobody without: the certificate is made at the start, and stands in the kubeconfig.

use bytes::Bytes;
use control_plane_lab::etcd::http::{FetchError, FetchEvent, HttpRequest};
use control_plane_lab::lab::{Input, Lab, Scenario};
use control_plane_lab::sim::SimTime;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What to serve, and where.
pub struct Options {
    pub scenario: Scenario,
    pub seed: u64,
    pub port: u16,
    /// Where the kubeconfig is written; to standard output if nowhere.
    pub kubeconfig: Option<String>,
}

/// What the world is told by those who wait at the door.
enum Ask {
    Http {
        request: HttpRequest,
        answers: UnboundedSender<FetchEvent>,
    },
    /// A line for the terminal.
    Line(String),
}

/// The world waits at most this long for the next request, and then runs on.
const TICK: Duration = Duration::from_millis(1);
/// A body that is longer is not read: the server would refuse it.
const BODY_MAX: usize = 8 << 20;
/// The token of the kubeconfig on the workstation.
const TOKEN: &str = control_plane_lab::lab::ADMIN_TOKEN;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// Serves until the process is ended.
pub fn serve(options: Options) -> Result<(), Failure> {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (certificate, key) = (certified.cert.der().clone(), certified.signing_key.serialize_der());
    let (asks, world) = mpsc::channel();
    let Options { scenario, seed, port, kubeconfig } = options;
    std::thread::spawn(move || live(Lab::new(scenario, seed), &world));
    let typed = asks.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if typed.send(Ask::Line(line)).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        let address = listener.local_addr()?;
        hand_out(&config(address, &certified.cert.pem()), kubeconfig.as_deref())?;
        let acceptor = TlsAcceptor::from(Arc::new(tls(certificate, key)?));
        loop {
            let (stream, _) = listener.accept().await?;
            let (acceptor, asks) = (acceptor.clone(), asks.clone());
            tokio::spawn(async move {
                // Who hangs up, or speaks no TLS, is no concern of anybody else.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request| answer(request, asks.clone()));
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

fn tls(certificate: CertificateDer<'static>, key: Vec<u8>) -> Result<ServerConfig, Failure> {
    let key = PrivateKeyDer::try_from(key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The kubeconfig of a learner, as kubeadm names its parts.
fn config(address: SocketAddr, certificate: &str) -> String {
    use base64::Engine;
    let authority = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: kubernetes-admin@kubernetes\nclusters:\n- name: kubernetes\n  \
         cluster:\n    server: https://{address}\n    certificate-authority-data: {authority}\ncontexts:\n- name: \
         kubernetes-admin@kubernetes\n  context:\n    cluster: kubernetes\n    user: kubernetes-admin\nusers:\n- name: \
         kubernetes-admin\n  user:\n    token: {TOKEN}\n"
    )
}

fn hand_out(config: &str, path: Option<&str>) -> Result<(), Failure> {
    match path {
        None => println!("{config}"),
        Some(path) => {
            // Under its name only when it is whole: whoever waits for it may read at once.
            let half = format!("{path}.new");
            std::fs::write(&half, config)?;
            std::fs::rename(&half, Path::new(path))?;
            println!("serving; kubeconfig in {path}");
        }
    }
    Ok(())
}

/// The world's own thread: time passes as on the wall, requests go in, answers come out.
fn live(mut lab: Lab, asks: &mpsc::Receiver<Ask>) {
    let scenario = *lab.scenario();
    let servers: Vec<String> = scenario.api_server_names().map(|name| format!("{name}:6443")).collect();
    let (begun, mut next, mut waiting, mut shown) = (Instant::now(), 0, BTreeMap::new(), 0);
    loop {
        let first = match asks.recv_timeout(TICK) {
            Ok(ask) => Some(ask),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        lab.run_until(SimTime(begun.elapsed().as_micros() as u64), u64::MAX);
        for ask in first.into_iter().chain(asks.try_iter()) {
            let (request, answers) = match ask {
                Ask::Http { request, answers } => (request, answers),
                Ask::Line(text) => {
                    lab.input(&Input::Line { terminal: 0, text });
                    continue;
                }
            };
            next += 1;
            // The servers take turns, as behind a load balancer.
            let authority = servers[next as usize % servers.len()].clone();
            waiting.insert(next, answers);
            lab.input(&Input::Http { number: next, authority, request });
        }
        shown = super::run::show_rest(&lab, shown, super::run::show_as_text);
        for (number, event) in lab.drain_http() {
            let over = is_last(&event);
            let Some(answers) = waiting.get(&number) else { continue };
            let gone = answers.send(event).is_err();
            if gone {
                lab.input(&Input::HttpClose { number });
            }
            if over || gone {
                waiting.remove(&number);
            }
        }
    }
}

fn is_last(event: &FetchEvent) -> bool {
    match event {
        FetchEvent::Connected => false,
        FetchEvent::Answered { more, .. } | FetchEvent::Data { more, .. } => !more,
        FetchEvent::Failed(_) => true,
    }
}

/// Asks the world, and passes on what it says as it comes.
async fn answer(request: Request<Incoming>, asks: mpsc::Sender<Ask>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let limited = http_body_util::Limited::new(body, BODY_MAX);
    let Ok(body) = limited.collect().await else { return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "too large\n")) };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let request = HttpRequest { method: head.method.to_string(), target, headers, body: body.to_bytes() };
    let (answers, mut events) = tokio::sync::mpsc::unbounded_channel();
    if asks.send(Ask::Http { request, answers }).is_err() {
        return Ok(plain(StatusCode::BAD_GATEWAY, "the world has ended\n"));
    }
    loop {
        match events.recv().await {
            Some(FetchEvent::Connected) => {}
            Some(FetchEvent::Answered { response, more }) => {
                let mut answer = Response::builder().status(response.status);
                for (name, value) in &response.headers {
                    // How the body travels is the transport's own matter.
                    if !["Transfer-Encoding", "Content-Length"].contains(name) {
                        answer = answer.header(*name, value);
                    }
                }
                let body = stream(response.body.clone(), more, events);
                return Ok(answer.body(body).unwrap_or_else(|_| plain(StatusCode::BAD_GATEWAY, "no such header\n")));
            }
            Some(FetchEvent::Failed(error)) => return Ok(plain(StatusCode::BAD_GATEWAY, why(error))),
            Some(FetchEvent::Data { .. }) | None => return Ok(plain(StatusCode::BAD_GATEWAY, "no answer\n")),
        }
    }
}

fn stream(first: Bytes, more: bool, mut events: tokio::sync::mpsc::UnboundedReceiver<FetchEvent>) -> Body {
    if !more {
        return http_body_util::Full::new(first).boxed_unsync();
    }
    let (chunks, mut received) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let _ = chunks.send(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(FetchEvent::Data { bytes, more }) => {
                        if chunks.send(bytes).is_err() || !more {
                            return;
                        }
                    }
                    _ => return,
                },
                // The client hung up: the world learns of it by the next event that finds nobody.
                () = chunks.closed() => return,
            }
        }
    });
    let stream = futures_util::stream::poll_fn(move |context| received.poll_recv(context));
    let frames = futures_util::StreamExt::map(stream, |bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    StreamBody::new(frames).boxed_unsync()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = http_body_util::Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn why(error: FetchError) -> &'static str {
    match error {
        FetchError::NoSuchHost => "the world has no such host\n",
        FetchError::Refused => "the API server does not run\n",
        FetchError::ConnectTimedOut => "the API server does not answer\n",
        FetchError::Reset => "the API server hung up\n",
    }
}
