//! TLS for the HTTP server, by rustls and ring.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, crypto::ring, version};

use super::web::{ClientAuth, TlsSection, TlsVersion};

/// What rustls needs, from files relative to `folder`. The error names the file and the cause.
pub(super) fn config(section: &TlsSection, folder: &Path) -> Result<ServerConfig, String> {
    let chain = certificates("cert_file", &folder.join(&section.cert_file))?;
    let key_file = folder.join(&section.key_file);
    let key = PrivateKeyDer::from_pem_file(&key_file).map_err(|e| format!("key_file: {}: {e}", key_file.display()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(section)?)
        .map_err(|e| format!("min_version, max_version: {e}"))?;
    let builder = match client_verifier(section, folder, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| format!("cert_file, key_file: {e}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{key}: {}: {e}", file.display());
    let all = CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    if all.is_empty() { Err(wrong(&"no certificate in it")) } else { Ok(all) }
}

fn versions(section: &TlsSection) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let least = section.min_version.unwrap_or(TlsVersion::Tls12);
    let most = section.max_version.unwrap_or(TlsVersion::Tls13);
    let known = [(TlsVersion::Tls13, &version::TLS13), (TlsVersion::Tls12, &version::TLS12)];
    let taken: Vec<_> = known.into_iter().filter(|(v, _)| (least..=most).contains(v)).map(|(_, v)| v).collect();
    if taken.is_empty() { Err("min_version is above max_version".to_owned()) } else { Ok(taken) }
}

fn client_verifier(
    section: &TlsSection,
    folder: &Path,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let (kind, file) = match (section.client_auth_type.unwrap_or_default(), &section.client_ca_file) {
        (ClientAuth::NoClientCert, None) => return Ok(None),
        (ClientAuth::NoClientCert, Some(_)) => {
            return Err("client_ca_file without client_auth_type; say RequireAndVerifyClientCert".to_owned());
        }
        (_, None) => return Err("client_auth_type needs client_ca_file".to_owned()),
        (kind, Some(file)) => (kind, folder.join(file)),
    };
    let wrong = |e: &dyn std::fmt::Display| format!("client_ca_file: {}: {e}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca_file", &file)? {
        roots.add(certificate).map_err(|e| wrong(&e))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match kind {
        ClientAuth::VerifyClientCertIfGiven => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map(Some).map_err(|e| wrong(&e))
}
