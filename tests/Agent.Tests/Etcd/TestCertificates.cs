using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>A CA, a server certificate for 127.0.0.1, and a client certificate issued through an intermediate CA, as PEM files.</summary>
internal sealed class TestCertificates : IDisposable
{
    private static readonly Oid ServerAuth = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientAuth = new("1.3.6.1.5.5.7.3.2");

    internal TestCertificates()
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("etc-pem-").FullName;
        using var root = NewCa("CN=test CA", issuer: null);
        using var intermediate = NewCa("CN=test intermediate", root);
        CaFile = Write("ca.pem", root.ExportCertificatePem());
        (ServerCert, ServerKey) = Issue(root, "server", ServerAuth, IPAddress.Loopback);
        (NamedServerCert, NamedServerKey) = Issue(root, "named", ServerAuth, null, "etcd.example");
        (ExpiredServerCert, ExpiredServerKey) = Issue(root, "expired", ServerAuth, IPAddress.Loopback, null, DateTimeOffset.UtcNow.AddMinutes(-10));
        (ClientCert, ClientKey) = Issue(intermediate, "client", ClientAuth, null);
        File.AppendAllText(ClientCert, "\n" + intermediate.ExportCertificatePem());
    }

    internal string Directory { get; }

    internal string CaFile { get; }

    internal string ServerCert { get; }

    internal string ServerKey { get; }

    internal string NamedServerCert { get; }

    internal string NamedServerKey { get; }

    internal string ExpiredServerCert { get; }

    internal string ExpiredServerKey { get; }

    /// <summary>Leaf, then the intermediate CA that issued it.</summary>
    internal string ClientCert { get; }

    internal string ClientKey { get; }

    internal string Write(string name, string text)
    {
        var file = Path.Combine(Directory, name);
        File.WriteAllText(file, text);
        return file;
    }

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);

    private static X509Certificate2 NewCa(string subject, X509Certificate2? issuer)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var from = DateTimeOffset.UtcNow.AddHours(-2);
        var to = DateTimeOffset.UtcNow.AddHours(2);
        return issuer is null
            ? request.CreateSelfSigned(from, to)
            : request.Create(issuer, from.AddMinutes(1), to.AddMinutes(-1), RandomNumberGenerator.GetBytes(8)).CopyWithPrivateKey(key);
    }

    private (string Cert, string Key) Issue(
        X509Certificate2 issuer, string name, Oid usage, IPAddress? address, string? dns = null, DateTimeOffset? until = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([usage], false));
        var san = new SubjectAlternativeNameBuilder();
        if (address is not null)
            san.AddIpAddress(address);

        if (dns is not null)
            san.AddDnsName(dns);

        if (address is not null || dns is not null)
            request.CertificateExtensions.Add(san.Build());

        using var certificate = request.Create(
            issuer, DateTimeOffset.UtcNow.AddHours(-1), until ?? DateTimeOffset.UtcNow.AddHours(1), RandomNumberGenerator.GetBytes(8));
        return (Write($"{name}.pem", certificate.ExportCertificatePem()), Write($"{name}.key", key.ExportPkcs8PrivateKeyPem()));
    }
}
