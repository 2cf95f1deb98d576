using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

public sealed class EtcdClientOptionsTests : IDisposable
{
    private readonly TestCertificates _certificates = new();

    private static EtcdClientOptions Plain => new() { Endpoints = [new Uri("http://127.0.0.1:2379")] };

    [Theory]
    [InlineData("http://127.0.0.1:2379", "http://127.0.0.1:2379/")]
    [InlineData(" https://a.example:2379/ ,, http://[::1]:2379,", "https://a.example:2379/ http://[::1]:2379/")]
    [InlineData("10.0.0.1:2379,etcd:2379", "http://10.0.0.1:2379/ http://etcd:2379/")]
    public void ParseEndpoints_OfAList_GivesItsUrls(string list, string expected) =>
        Assert.Equal(expected, string.Join(' ', EtcdClientOptions.ParseEndpoints(list)));

    [Fact]
    public void ParseEndpoints_WithoutSchemeButWithTlsFiles_IsHttps() =>
        Assert.Equal([new Uri("https://10.0.0.1:2379")], EtcdClientOptions.ParseEndpoints("10.0.0.1:2379", tlsConfigured: true));

    [Theory]
    [InlineData("", "names no endpoint")]
    [InlineData(" , ", "names no endpoint")]
    [InlineData("http://", "--etcd-endpoints=http://: is not a URL")]
    [InlineData("http://h:99999", "is not a URL")]
    [InlineData("unix:///run/etcd.sock", "scheme 'unix'")]
    [InlineData("ftp://h:1", "scheme 'ftp'")]
    [InlineData("http://h:2379/v3", "--etcd-endpoints=http://h:2379/v3: has a path")]
    [InlineData("http://h:2379?x=1", "has a path or a query")]
    [InlineData("http://h:2379/#x", "has a path or a query")]
    [InlineData("http://root:geheim@h:2379", "--etcd-endpoints=http://h:2379: has a user in the URL")]
    [InlineData("http://root:geheim@h:99999", "--etcd-endpoints=h:99999: is not a URL")]
    public void ParseEndpoints_Malformed_NamesTheFlagAndTheFault(string list, string words)
    {
        var e = Assert.Throws<EtcdOptionsException>(() => EtcdClientOptions.ParseEndpoints(list));
        Assert.StartsWith("--etcd-endpoints", e.Message, StringComparison.Ordinal);
        Assert.Contains(words, e.Message, StringComparison.Ordinal);
        Assert.Contains("http://", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Client_WithFaultyOptions_NamesTheFlagAndTheRemedy()
    {
        var c = _certificates;
        var damaged = c.Write("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        var text = c.Write("text.pem", "hello");
        var encrypted = c.Write("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
        (EtcdClientOptions Options, string Start, string Words)[] table =
        [
            (Plain with { Endpoints = [] }, "--etcd-endpoints names no endpoint", "give at least one"),
            (Plain with { Endpoints = [new Uri("http://u:geheim@h:1")] }, "--etcd-endpoints=http://h:1:", "--etcd-username"),
            (Plain with { Endpoints = [new Uri("http://h:1/p")] }, "--etcd-endpoints=http://h:1/p:", "path"),
            (Plain with { Endpoints = [new Uri("host/1", UriKind.Relative)] }, "--etcd-endpoints=host/1:", "write http://"),
            (Plain with { CaFile = "/no/such/ca.pem" }, "--etcd-cafile=/no/such/ca.pem:", "there is no such file"),
            (Plain with { CaFile = text }, $"--etcd-cafile={text}:", "holds no certificate"),
            (Plain with { CaFile = damaged }, $"--etcd-cafile={damaged}:", "damaged"),
            (Plain with { CaFile = c.Directory }, $"--etcd-cafile={c.Directory}:", "cannot be read"),
            (Plain with { CertFile = c.ClientCert }, $"--etcd-certfile={c.ClientCert}", "--etcd-keyfile=FILE"),
            (Plain with { KeyFile = c.ClientKey }, $"--etcd-keyfile={c.ClientKey}", "--etcd-certfile=FILE"),
            (Plain with { CertFile = "/no/such", KeyFile = c.ClientKey }, "--etcd-certfile=/no/such:", "no such file"),
            (Plain with { CertFile = c.ClientCert, KeyFile = "/no/such" }, "--etcd-keyfile=/no/such:", "no such file"),
            (Plain with { CertFile = c.ClientCert, KeyFile = c.ServerKey }, $"--etcd-keyfile={c.ServerKey}:", "belongs to"),
            (Plain with { CertFile = c.ClientCert, KeyFile = text }, $"--etcd-keyfile={text}:", "give the pair"),
            (Plain with { CertFile = c.ClientCert, KeyFile = encrypted }, $"--etcd-keyfile={encrypted}:", "without a passphrase"),
            (Plain with { Username = "root" }, "--etcd-username=root", "--etcd-password"),
            (Plain with { Password = "geheim" }, "--etcd-password", "--etcd-username"),
            (Plain with { ConnectTimeout = TimeSpan.Zero }, "the connect and request timeouts", "positive"),
        ];
        foreach (var (options, start, words) in table)
        {
            var e = Assert.Throws<EtcdOptionsException>(() => new EtcdClient(options, TimeProvider.System));
            Assert.StartsWith(start, e.Message, StringComparison.Ordinal);
            Assert.Contains(words, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("geheim", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Client_WithEmptyStringsForFilesAndUser_TakesThemAsNotGiven()
    {
        var options = Plain with { CaFile = "", CertFile = "", KeyFile = "", Username = "", Password = "" };
        await using var client = new EtcdClient(options, TimeProvider.System);
        Assert.Null(client.CurrentEndpoint);
    }

    [Fact]
    public void ToString_OfOptions_ShowsNoPassword() =>
        Assert.DoesNotContain("geheim", (Plain with { Username = "u", Password = "geheim" }).ToString(), StringComparison.Ordinal);

    public void Dispose() => _certificates.Dispose();
}
