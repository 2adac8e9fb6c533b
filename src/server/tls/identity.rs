//! The files that TLS is spoken with, as rustls wants them.

use super::expiry::expires_at_s;
use crate::config::{AuthClients, Exit, Tls};
use rustls::crypto::ring::{self, Ticketer};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, version};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes that a file may have: a hundred times what chains of certificates have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Rights that nobody but the owner may have to a private key.
const OTHERS: u32 = 0o077;

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key can be read by others.
    #[error("others have rights to the private key {} (mode {mode:03o}): chmod 600 it, and think about a new key", .path.display())]
    KeyExposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file holds nothing of what it should, or what it holds cannot be used.
    #[error("{} is no {what} in PEM form: {reason}", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is the matter.
        reason: String,
    },
    /// Key and certificate do not belong together.
    #[error("the key in {} is not that of the first certificate in {}", .key.display(), .cert.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        cert: PathBuf,
    },
}

impl TlsError {
    /// The exit code of a start that it stops.
    pub(in crate::server) fn exit(&self) -> Exit {
        match self {
            Self::KeyExposed { .. } => Exit::Permission,
            _ => Exit::Config,
        }
    }
}

/// What handshakes are made with.
pub(in crate::server) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    /// Unix seconds at which the server's certificate ends.
    pub(super) expires_at_s: u64,
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] for the first that is wrong.
    pub(in crate::server) fn load(tls: &Tls) -> Result<Self, TlsError> {
        let chain = certificates(&tls.cert_file)?;
        let malformed = |path: &Path, what, reason: String| TlsError::Malformed { path: path.into(), what, reason };
        let expires_at_s = expires_at_s(&chain[0])
            .ok_or_else(|| malformed(&tls.cert_file, "certificate", "it does not say how long it holds".to_owned()))?;
        let key = private_key(&tls.key_file)?;
        let versions: &[_] = if tls.has_tls12 { &[&version::TLS13, &version::TLS12] } else { &[&version::TLS13] };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let builder = builder.expect("ring has suites of both versions");
        let builder = match &tls.ca_cert_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let unusable =
                    |error: &dyn std::error::Error| malformed(path, "certificate of a CA", error.to_string());
                let mut roots = RootCertStore::empty();
                for root in certificates(path)? {
                    roots.add(root).map_err(|error| unusable(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let is_optional = tls.auth_clients == AuthClients::Optional;
                let verifier = if is_optional { verifier.allow_unauthenticated() } else { verifier };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(&error))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { key: tls.key_file.clone(), cert: tls.cert_file.clone() }
            }
            rustls::Error::InvalidCertificate(_) => malformed(&tls.cert_file, "certificate", error.to_string()),
            error => malformed(&tls.key_file, "private key", error.to_string()),
        })?;
        // Its keys are new with every load: who was let in by a CA that is gone does not come back by a ticket.
        config.ticketer = Ticketer::new().expect("the system has random bytes");
        Ok(Self { config: Arc::new(config), expires_at_s })
    }
}

/// By what a change of the files is seen.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(SystemTime, u64, u64)>>);

impl Stamp {
    /// Of the files now.
    pub(super) fn of(tls: &Tls) -> Self {
        let paths = [Some(&tls.cert_file), Some(&tls.key_file), tls.ca_cert_file.as_ref()];
        let stamp =
            |path| fs::metadata(path).ok().and_then(|file| Some((file.modified().ok()?, file.len(), file.ino())));
        Self(paths.into_iter().flatten().map(stamp).collect())
    }
}

/// All certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (text, _) = read(path)?;
    let malformed = |reason| TlsError::Malformed { path: path.into(), what: "certificate", reason };
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| malformed(error.to_string()))?;
    if found.is_empty() {
        return Err(malformed("it has no part CERTIFICATE".to_owned()));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (text, mode) = read(path)?;
    if mode & OTHERS != 0 {
        return Err(TlsError::KeyExposed { path: path.into(), mode });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound => "it has no part PRIVATE KEY (one with a passphrase cannot be used)".to_owned(),
            error => error.to_string(),
        };
        TlsError::Malformed { path: path.into(), what: "private key", reason }
    })
}

/// A file's bytes and its permissions.
fn read(path: &Path) -> Result<(Vec<u8>, u32), TlsError> {
    let read = || {
        let file = File::open(path)?;
        let mode = file.metadata()?.mode() & 0o777;
        let mut text = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
        Ok((text, mode))
    };
    read().map_err(|source| TlsError::Unreadable { path: path.into(), source })
}
