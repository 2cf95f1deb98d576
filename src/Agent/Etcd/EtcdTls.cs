using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// The TLS files. They are read for every connection, so a rotation needs no restart; the constructor reads them once to
/// find mistakes early.
/// </summary>
internal sealed class EtcdTls
{
    private readonly string? _caFile;
    private readonly string? _certFile;
    private readonly string? _keyFile;

    /// <summary>Reads the files of the options once.</summary>
    /// <exception cref="EtcdOptionsException">A file is missing or does not hold what it should.</exception>
    internal EtcdTls(EtcdClientOptions options)
    {
        _caFile = NullIfEmpty(options.CaFile);
        _certFile = NullIfEmpty(options.CertFile);
        _keyFile = NullIfEmpty(options.KeyFile);
        _ = LoadCa();
        LoadClientCertificate()?.Leaf.Dispose();
    }

    /// <summary>Makes the options of one handshake from the files as they are now.</summary>
    /// <param name="host">Name or address the server's certificate must be valid for.</param>
    /// <param name="validate">Judges the server's certificate; the CA file, if any, has been used for the chain.</param>
    /// <exception cref="EtcdOptionsException">A file is missing or does not hold what it should.</exception>
    internal SslClientAuthenticationOptions LoadOptions(string host, RemoteCertificateValidationCallback validate)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            RemoteCertificateValidationCallback = validate,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (LoadCa() is { } ca)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                // Fetching missing intermediates over HTTP is nothing a daemon should do on a server's say-so.
                DisableCertificateDownloads = true,
            };
            policy.CustomTrustStore.AddRange(ca);
            options.CertificateChainPolicy = policy;
        }

        if (LoadClientCertificate() is { } own)
            options.ClientCertificateContext = SslStreamCertificateContext.Create(own.Leaf, own.Intermediates, offline: true);

        return options;
    }

    /// <summary>Says why the server's certificate is refused; null when it is fine.</summary>
    internal string? Judge(string host, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return null;

        if (certificate is not X509Certificate2 server)
            return "the server showed no certificate";

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
        {
            var faults = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, static (all, one) => all | one.Status) ?? 0;
            if (faults.HasFlag(X509ChainStatusFlags.NotTimeValid))
            {
                return $"the server's certificate, or its CA's, is not valid at this time (the server's: {server.NotBefore:u} to " +
                    $"{server.NotAfter:u}); renew it, or set this node's clock";
            }

            return _caFile is null
                ? "the server's certificate is signed by no CA this system trusts; give its CA with --etcd-cafile=FILE"
                : $"the server's certificate is not signed by a CA in --etcd-cafile={_caFile} ({faults}); give the CA it is signed by";
        }

        return $"the server's certificate is not valid for '{host}', only for {Names(server)}; use such a name in " +
            "--etcd-endpoints, or issue a certificate for this one";
    }

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(static san => san.EnumerateDnsNames().Concat(san.EnumerateIPAddresses().Select(static ip => ip.ToString())))
            .ToList();
        return names.Count > 0 ? string.Join(", ", names) : $"'{certificate.Subject}'";
    }

    private X509Certificate2Collection? LoadCa() => _caFile is null ? null : LoadCertificates("--etcd-cafile", _caFile);

    private (X509Certificate2 Leaf, X509Certificate2Collection Intermediates)? LoadClientCertificate()
    {
        if (_certFile is null || _keyFile is null)
            return null;

        var certificates = LoadCertificates("--etcd-certfile", _certFile);
        var key = ReadFile("--etcd-keyfile", _keyFile);
        if (key.Contains("ENCRYPTED", StringComparison.Ordinal))
            throw new EtcdOptionsException($"--etcd-keyfile={_keyFile}: the key is encrypted; give one without a passphrase");

        X509Certificate2 leaf;
        try
        {
            // The first certificate of the file is the node's own, as in every TLS server and client; the rest lead to its CA.
            leaf = X509Certificate2.CreateFromPem(ReadFile("--etcd-certfile", _certFile), key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new EtcdOptionsException(
                $"--etcd-keyfile={_keyFile}: holds no private key that belongs to the certificate in --etcd-certfile={_certFile}; " +
                "give the pair, in PEM form",
                e);
        }

        certificates[0].Dispose();
        certificates.RemoveAt(0);
        return (leaf, certificates);
    }

    private static X509Certificate2Collection LoadCertificates(string flag, string file)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(ReadFile(flag, file));
        }
        catch (CryptographicException e)
        {
            throw new EtcdOptionsException($"{flag}={file}: holds a damaged certificate; give a PEM file", e);
        }

        return certificates.Count > 0
            ? certificates
            : throw new EtcdOptionsException($"{flag}={file}: holds no certificate; give a PEM file (-----BEGIN CERTIFICATE-----)");
    }

    private static string ReadFile(string flag, string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new EtcdOptionsException($"{flag}={file}: there is no such file; correct the path", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EtcdOptionsException($"{flag}={file}: cannot be read ({e.Message}); give the agent's user access", e);
        }
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
