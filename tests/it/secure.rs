//! A CA, the certificates that it gives out, and clients that speak TLS.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use crate::server::Site;
use crate::wire::{Link, Wire, socket};

/// A CA.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, which nobody knows yet.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("chance");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for 127.0.0.1 that ends with `year`, and its key.
    pub fn issue(&self, year: i32) -> (String, String) {
        self.signed(|params| params.not_after = rcgen::date_time_ymd(year, 12, 31))
    }

    /// One that ends in so many days.
    pub fn issue_for_days(&self, days: u64) -> (String, String) {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is later");
        let end = now + Duration::from_secs(86_400 * days);
        self.signed(|params| params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end)
    }

    fn signed(&self, ends: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        ends(&mut params);
        let key = KeyPair::generate().expect("chance");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }

    /// Somebody who knows this CA, and has no certificate.
    pub fn friend(&self) -> Friend {
        Friend { ca: self.pem(), own: None, version: &version::TLS13, dribbles: false }
    }
}

/// The year in which certificates of tests end.
pub const LATER: i32 = 4000;

/// The files of a server.
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

impl Files {
    /// Written for a server of `authority`.
    pub fn of(site: &Site, authority: &Authority) -> Self {
        let files = Self { cert: site.path("s.crt"), key: site.path("s.key"), ca: site.path("ca.crt") };
        files.write(authority.issue(LATER));
        fs::write(&files.ca, authority.pem()).expect("a file");
        files
    }

    /// Replaces certificate and key.
    pub fn write(&self, (cert, key): (String, String)) {
        fs::write(&self.cert, cert).expect("a file");
        fs::write(&self.key, key).expect("a file");
        fs::set_permissions(&self.key, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// The flags that name them, and `more`.
    pub fn flags<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let path = |path: &'a PathBuf| path.to_str().expect("text");
        let mut flags =
            vec!["--tls-port", "any", "--tls-cert-file", path(&self.cert), "--tls-key-file", path(&self.key)];
        flags.extend(["--tls-ca-cert-file", path(&self.ca)]);
        flags.extend(more);
        flags
    }
}

/// A client of TLS, before it connects.
#[derive(Clone)]
pub struct Friend {
    ca: String,
    own: Option<(String, String)>,
    version: &'static SupportedProtocolVersion,
    dribbles: bool,
}

impl Friend {
    /// Shows a certificate.
    pub fn with(mut self, own: (String, String)) -> Self {
        self.own = Some(own);
        self
    }

    /// Speaks this version alone.
    pub fn speaking(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.version = version;
        self
    }

    /// Sends every byte by itself.
    pub fn dribbling(mut self) -> Self {
        self.dribbles = true;
        self
    }

    /// What it connects with; connections of the same one remember each other.
    pub fn config(&self) -> Arc<ClientConfig> {
        let certificate = |pem: &String| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.ca)).expect("a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[self.version]).expect("a version of TLS");
        let builder = builder.with_root_certificates(roots);
        Arc::new(match &self.own {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![certificate(cert)], key).expect("a pair")
            }
        })
    }

    /// A connection, whose handshake may not have happened yet.
    pub fn link(&self, port: u16) -> Secure {
        secure(self.config(), port, self.dribbles)
    }

    /// A connection to a server that lets it in.
    pub fn connect(&self, port: u16) -> Wire {
        Wire::over(self.link(port))
    }

    /// What becomes of a PING: `+PONG`, or why there is none.
    pub fn ping(&self, port: u16) -> String {
        ping(&mut self.link(port))
    }
}

/// What becomes of a PING.
pub fn ping(link: &mut Secure) -> String {
    let mut reply = [0; 7];
    let pong = link.write_all(b"PING\r\n").and_then(|()| link.read_exact(&mut reply));
    pong.map_or_else(|error| error.to_string(), |()| String::from_utf8_lossy(&reply).trim().to_owned())
}

/// A connection with TLS.
pub type Secure = StreamOwned<ClientConnection, Dribble>;

/// Connects with what an earlier connection may have used.
pub fn secure(config: Arc<ClientConfig>, port: u16, dribbles: bool) -> Secure {
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connection = ClientConnection::new(config, name).expect("a client");
    StreamOwned::new(connection, Dribble { socket: socket(port).expect("the server listens"), dribbles })
}

impl Link for Secure {
    fn half_close(&mut self) {
        self.conn.send_close_notify();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.sock).expect("the server reads");
        }
        self.sock.socket.shutdown(Shutdown::Write).expect("a socket");
    }
}

/// A socket, perhaps one that sends every byte by itself.
pub struct Dribble {
    socket: TcpStream,
    dribbles: bool,
}

impl Dribble {
    /// Gives up soon what cannot be sent.
    pub fn hurry(&self) {
        self.socket.set_write_timeout(Some(Duration::from_millis(200))).expect("a socket");
    }
}

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Dribble {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = if self.dribbles { bytes.len().min(1) } else { bytes.len() };
        self.socket.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
