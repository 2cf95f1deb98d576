using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>TLS against a real etcd, and the plain and TLS sides taking each other for something else.</summary>
public sealed class EtcdTlsTests : IDisposable
{
    private readonly TestCertificates _pem = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Call_OverMutualTls_WorksAndWatches()
    {
        await using var etcd = await StartAsync(clientCertificates: true);
        etcd.SetCtl("ETCDCTL_CACERT", _pem.CaFile);
        etcd.SetCtl("ETCDCTL_CERT", _pem.ClientCert);
        etcd.SetCtl("ETCDCTL_KEY", _pem.ClientKey);
        await using var client = NewClient(etcd.Endpoint, _pem.CaFile, withCertificate: true);
        var revision = await client.PutAsync("k", "v", 0, Ct);
        await using var watch = client.WatchAsync("k", revision, Ct).GetAsyncEnumerator(Ct);
        Assert.Equal("v", Assert.Single(await Wait.EventsAsync(watch, 1)).Entry.Value);
        Assert.Equal("v\n", await etcd.CtlAsync("get", "k", "--print-value-only"));
        Assert.StartsWith("https://127.0.0.1:", client.CurrentEndpoint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_WithACaAlone_Works()
    {
        await using var etcd = await StartAsync(clientCertificates: false);
        await using var client = NewClient(etcd.Endpoint, _pem.CaFile, withCertificate: false);
        await client.PutAsync("k", "v", 0, Ct);
        Assert.Single((await client.GetAsync("k", Ct)).Entries);
    }

    [Fact]
    public async Task Call_WithoutTheClientCertificateAsked_SaysWhichFlags()
    {
        await using var etcd = await StartAsync(clientCertificates: true);
        await using var client = NewClient(etcd.Endpoint, _pem.CaFile, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.Contains("client certificate", e.Message, StringComparison.Ordinal);
        Assert.Contains("--etcd-certfile and --etcd-keyfile", e.Message, StringComparison.Ordinal);
        Assert.Equal((false, false), (e.IsTransient, e.OutcomeUnknown));
    }

    [Fact]
    public async Task Call_WithTheWrongCa_SaysWhichFile()
    {
        using var other = new TestCertificates();
        await using var etcd = await StartAsync(clientCertificates: false);
        await using var client = NewClient(etcd.Endpoint, other.CaFile, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.StartsWith(
            $"etcd at {etcd.Endpoint.GetLeftPart(UriPartial.Authority)}: the server's certificate is not signed by a CA in --etcd-cafile={other.CaFile}",
            e.Message,
            StringComparison.Ordinal);
        Assert.False(e.IsTransient);
    }

    [Fact]
    public async Task Call_WithoutACa_AsksForOne()
    {
        await using var etcd = await StartAsync(clientCertificates: false);
        await using var client = NewClient(etcd.Endpoint, null, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains("give its CA with --etcd-cafile=FILE", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_ToACertificateForAnotherName_ListsItsNames()
    {
        await using var etcd = await EtcdProcess.StartAsync(
            tls: true, $"--cert-file={_pem.NamedServerCert}", $"--key-file={_pem.NamedServerKey}");
        await using var client = NewClient(etcd.Endpoint, _pem.CaFile, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains("is not valid for '127.0.0.1', only for etcd.example", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_ToAnExpiredCertificate_SaysSo()
    {
        await using var etcd = await EtcdProcess.StartAsync(
            tls: true, $"--cert-file={_pem.ExpiredServerCert}", $"--key-file={_pem.ExpiredServerKey}");
        await using var client = NewClient(etcd.Endpoint, _pem.CaFile, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains("is not valid at this time", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_AfterTheFilesWereRotated_UsesTheNewOnesOnReconnect()
    {
        // The client starts with files of another CA: refused. Then they are replaced under it, and it gets through.
        using var other = new TestCertificates();
        var ca = _pem.Write("rotated-ca.pem", await File.ReadAllTextAsync(other.CaFile, Ct));
        var cert = _pem.Write("rotated.pem", await File.ReadAllTextAsync(other.ClientCert, Ct));
        var key = _pem.Write("rotated.key", await File.ReadAllTextAsync(other.ClientKey, Ct));
        await using var etcd = await StartAsync(clientCertificates: true);
        await using var client = new EtcdClient(
            new EtcdClientOptions { Endpoints = [etcd.Endpoint], CaFile = ca, CertFile = cert, KeyFile = key }, TimeProvider.System);
        await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));

        File.Copy(_pem.CaFile, ca, overwrite: true);
        var refused = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains("--etcd-certfile", refused.Message, StringComparison.Ordinal);

        File.Delete(cert);
        var missing = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains($"--etcd-certfile={cert}: there is no such file", missing.Message, StringComparison.Ordinal);
        Assert.True(missing.IsTransient);

        File.Copy(_pem.ClientCert, cert);
        File.Copy(_pem.ClientKey, key, overwrite: true);
        Assert.Empty((await client.GetAsync("k", Ct)).Entries);
    }

    [Fact]
    public async Task Call_HttpUrlToATlsPort_HintsAtHttps()
    {
        await using var etcd = await StartAsync(clientCertificates: false);
        await using var client = NewClient(new UriBuilder(etcd.Endpoint) { Scheme = "http" }.Uri, null, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains("if it is a TLS port, write https://", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_HttpsUrlToAPlainPort_HintsAtHttp()
    {
        await using var etcd = await EtcdProcess.StartAsync();
        await using var client = NewClient(new UriBuilder(etcd.Endpoint) { Scheme = "https" }.Uri, _pem.CaFile, withCertificate: false);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Contains("if it is etcd without TLS, write http://", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_WithOneEndpointMisconfigured_IsServedByTheOther()
    {
        await using var plain = await EtcdProcess.StartAsync();
        var wrong = new UriBuilder(plain.Endpoint) { Scheme = "https" }.Uri;
        await using var client = new EtcdClient(new EtcdClientOptions { Endpoints = [wrong, plain.Endpoint] }, TimeProvider.System);
        Assert.Empty((await client.GetAsync("k", Ct)).Entries);
    }

    public void Dispose() => _pem.Dispose();

    private Task<EtcdProcess> StartAsync(bool clientCertificates)
    {
        string[] server = [$"--cert-file={_pem.ServerCert}", $"--key-file={_pem.ServerKey}"];
        return EtcdProcess.StartAsync(
            tls: true, clientCertificates ? [.. server, "--client-cert-auth", $"--trusted-ca-file={_pem.CaFile}"] : server);
    }

    private EtcdClient NewClient(Uri endpoint, string? ca, bool withCertificate)
    {
        var options = new EtcdClientOptions
        {
            Endpoints = [endpoint],
            CaFile = ca,
            CertFile = withCertificate ? _pem.ClientCert : null,
            KeyFile = withCertificate ? _pem.ClientKey : null,
        };
        return new EtcdClient(options, TimeProvider.System);
    }
}
