using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Accelerated.Lab;

/// <summary>The PEM files of a lab's etcd with TLS: a CA, the members' certificate and the agents'. Issued anew under the same names to rotate them.</summary>
/// <param name="folder">Where they are.</param>
/// <param name="members">Addresses the members' certificate is good for.</param>
public sealed class EtcdCertificates(string folder, IReadOnlyList<IPAddress> members)
{
    private static readonly Oid ServerAuth = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientAuth = new("1.3.6.1.5.5.7.3.2");

    /// <summary>The CA.</summary>
    public string CaFile => $"{folder}/ca.pem";

    internal string MemberCert => $"{folder}/member.pem";

    internal string MemberKey => $"{folder}/member.key";

    internal string ClientCert => $"{folder}/client.pem";

    internal string ClientKey => $"{folder}/client.key";

    /// <summary>Makes a new CA, and new certificates signed by it; what it replaces is worth nothing to whoever reads the files from now on.</summary>
    public void Issue()
    {
        Directory.CreateDirectory(folder);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=lab CA {Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        // A day either way: scenarios move clocks by hours.
        using var ca = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        Issue(ca, "member", ServerAuth, MemberCert, MemberKey);
        Issue(ca, "client", ClientAuth, ClientCert, ClientKey);
        File.WriteAllText(CaFile, ca.ExportCertificatePem());
    }

    private void Issue(X509Certificate2 ca, string name, Oid usage, string certificateFile, string keyFile)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([usage], false));
        if (usage == ServerAuth)
        {
            var names = new SubjectAlternativeNameBuilder();
            foreach (var address in members)
                names.AddIpAddress(address);
            request.CertificateExtensions.Add(names.Build());
        }

        using var certificate = request.Create(ca, ca.NotBefore.AddMinutes(1), ca.NotAfter.AddMinutes(-1), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
    }
}
