//! The settings of TLS, which only go together.

use super::settings::{ConfigError, Settings};
use std::path::PathBuf;

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthClients {
    /// They are not asked.
    No,
    /// Who has none is let in; who shows one that no CA stands for is not.
    Optional,
    /// Nobody is let in without.
    Yes,
}

/// How TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// TCP port; 0 = any free one.
    pub port: u16,
    /// The server's certificate and those that lead to its CA.
    pub cert_file: PathBuf,
    /// The certificate's private key.
    pub key_file: PathBuf,
    /// The CAs of clients; there if certificates are looked at.
    pub ca_cert_file: Option<PathBuf>,
    /// Whether clients show certificates.
    pub auth_clients: AuthClients,
    /// Whether TLS 1.2 is spoken beside 1.3.
    pub has_tls12: bool,
}

impl Tls {
    /// What the settings say; `None` = no TLS.
    pub(super) fn validate(s: &Settings) -> Result<Option<Self>, ConfigError> {
        let refuse = |name, reason| {
            let setting = s.get(name);
            ConfigError::Tls { name, given: setting.display(), place: setting.source.clone(), reason }
        };
        let Some(port) = s.port("tls-port") else {
            let has_port = s.port("port").is_some();
            return if has_port { Ok(None) } else { Err(refuse("port", "nobody could connect: set tls-port")) };
        };
        let auth_clients = match s.choice("tls-auth-clients") {
            "no" => AuthClients::No,
            "optional" => AuthClients::Optional,
            _ => AuthClients::Yes,
        };
        let ca_cert_file = s.optional_path("tls-ca-cert-file").filter(|_| auth_clients != AuthClients::No);
        if ca_cert_file.is_none() && auth_clients != AuthClients::No {
            let reason = "clients have to show certificates, but no CA is named: set tls-ca-cert-file, \
                          or tls-auth-clients to no";
            return Err(refuse("tls-port", reason));
        }
        let file = |name| s.optional_path(name);
        let (Some(cert_file), Some(key_file)) = (file("tls-cert-file"), file("tls-key-file")) else {
            return Err(refuse("tls-port", "TLS needs a certificate and its key: set tls-cert-file and tls-key-file"));
        };
        let has_tls12 = s.choice("tls-protocols") != "TLSv1.3";
        Ok(Some(Self { port, cert_file, key_file, ca_cert_file, auth_clients, has_tls12 }))
    }
}
