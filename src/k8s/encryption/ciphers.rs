//! The ciphers, each with its nonce before what it made; the errors are upstream's.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{AesGcm, KeyInit};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, StreamCipher};
use poly1305::Poly1305;
use salsa20::XSalsa20;

const BLOCK: usize = 16;
const GCM_NONCE: usize = 12;
const BOX_NONCE: usize = 24;
const TAG: usize = 16;
const TOO_SHORT: &str = "the stored data was shorter than the required size";

/// AES with a key of one of three lengths.
macro_rules! with_aes {
    ($secret:expr, $aes:ident => $body:expr) => {
        match $secret.len() {
            16 => {
                type $aes = Aes128;
                $body
            }
            24 => {
                type $aes = Aes192;
                $body
            }
            32 => {
                type $aes = Aes256;
                $body
            }
            length => Err(format!("crypto/aes: invalid key size {length}")),
        }
    };
}

pub(super) fn cbc_encrypt(secret: &[u8], iv: &[u8; BLOCK], plain: &[u8]) -> Result<Vec<u8>, String> {
    let padding = BLOCK - plain.len() % BLOCK;
    let mut bytes = plain.to_vec();
    bytes.resize(plain.len() + padding, padding as u8);
    let length = bytes.len();
    with_aes!(secret, Aes => {
        let cipher = cbc::Encryptor::<Aes>::new_from_slices(secret, iv).map_err(|error| error.to_string())?;
        cipher.encrypt_padded::<NoPadding>(&mut bytes, length).map_err(|error| error.to_string())?;
        Ok([&iv[..], &bytes].concat())
    })
}

pub(super) fn cbc_decrypt(secret: &[u8], stored: &[u8]) -> Result<Vec<u8>, String> {
    let (iv, rest) = stored.split_at_checked(BLOCK).ok_or(TOO_SHORT)?;
    if rest.len() % BLOCK != 0 {
        return Err("the stored data is not a multiple of the block size".to_owned());
    }
    let mut bytes = rest.to_vec();
    with_aes!(secret, Aes => {
        let cipher = cbc::Decryptor::<Aes>::new_from_slices(secret, iv).map_err(|error| error.to_string())?;
        cipher.decrypt_padded::<NoPadding>(&mut bytes).map_err(|error| error.to_string())?;
        Ok(())
    })?;
    let padding = bytes.last().copied().map_or(0, usize::from);
    if padding == 0 || padding > bytes.len() {
        return Err("invalid PKCS7 data (empty or not padded)".to_owned());
    }
    let end = bytes.len() - padding;
    if bytes[end..].iter().any(|byte| usize::from(*byte) != padding) {
        return Err("invalid padding on input".to_owned());
    }
    bytes.truncate(end);
    Ok(bytes)
}

pub(super) fn gcm_encrypt(secret: &[u8], nonce: &[u8; GCM_NONCE], plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, String> {
    with_aes!(secret, Aes => {
        let cipher = AesGcm::<Aes, U12>::new_from_slice(secret).map_err(|error| error.to_string())?;
        let payload = Payload { msg: plain, aad };
        let sealed = cipher.encrypt(&(*nonce).into(), payload).map_err(|error| error.to_string())?;
        Ok([&nonce[..], &sealed].concat())
    })
}

pub(super) fn gcm_decrypt(secret: &[u8], stored: &[u8], aad: &[u8]) -> Result<Vec<u8>, String> {
    let (nonce, msg) = stored.split_first_chunk::<GCM_NONCE>().ok_or(TOO_SHORT)?;
    with_aes!(secret, Aes => {
        let cipher = AesGcm::<Aes, U12>::new_from_slice(secret).map_err(|error| error.to_string())?;
        let opened = cipher.decrypt(&(*nonce).into(), Payload { msg, aad });
        opened.map_err(|_| "cipher: message authentication failed".to_owned())
    })
}

pub(super) fn secretbox_encrypt(secret: &[u8], nonce: &[u8; BOX_NONCE], plain: &[u8]) -> Result<Vec<u8>, String> {
    let (mut stream, mac) = secretbox(secret, nonce)?;
    let mut bytes = plain.to_vec();
    stream.apply_keystream(&mut bytes);
    Ok([&nonce[..], &mac.compute_unpadded(&bytes), &bytes].concat())
}

pub(super) fn secretbox_decrypt(secret: &[u8], stored: &[u8]) -> Result<Vec<u8>, String> {
    let (nonce, sealed) = stored.split_first_chunk::<BOX_NONCE>().ok_or(TOO_SHORT)?;
    let (tag, rest) = sealed.split_at_checked(TAG).ok_or(TOO_SHORT)?;
    let (mut stream, mac) = secretbox(secret, nonce)?;
    if mac.compute_unpadded(rest)[..] != *tag {
        // Upstream's words for a seal that is broken.
        return Err("output array was not large enough for encryption".to_owned());
    }
    let mut bytes = rest.to_vec();
    stream.apply_keystream(&mut bytes);
    Ok(bytes)
}

/// The stream behind its first 32 bytes, which are the key of the seal.
fn secretbox(secret: &[u8], nonce: &[u8; BOX_NONCE]) -> Result<(XSalsa20, Poly1305), String> {
    let mut stream = XSalsa20::new_from_slices(secret, nonce).map_err(|error| error.to_string())?;
    let mut key = [0; 32];
    stream.apply_keystream(&mut key);
    Ok((stream, Poly1305::new(&key.into())))
}
