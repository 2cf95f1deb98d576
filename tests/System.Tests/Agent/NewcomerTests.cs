using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// The mistakes one makes on the first day: each is told in one line that names the flag or key and the remedy, ends with the right
/// exit code, and leaves nothing behind.
/// </summary>
public sealed class NewcomerTests(NewcomerTests.BareNode shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<NewcomerTests.BareNode>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private LabNode Node => Lab.Node(1);

    /// <summary>Ends the agent and removes what it leaves on purpose, and its log, for the next test.</summary>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (Node.AgentIsRunning)
            await Node.KillAgentAsync();
        if (!Lab.Etcd.IsRunning)
            await Lab.Etcd.StartAsync(Cancel);
        await Node.RunAsync("sh", "-ec", "ip link show flannel.1 >/dev/null 2>&1 && ip link del flannel.1; nft flush ruleset");
        await Lab.Etcd.CtlAsync("del", "--prefix", $"{LabEtcd.Prefix}/subnets");
        foreach (var lease in (await Lab.Etcd.CtlAsync("lease", "list")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1))
            await Lab.Etcd.CtlAsync("lease", "revoke", lease);
        foreach (var file in Directory.EnumerateFiles(Node.RunDirectory, "*", SearchOption.AllDirectories))
            File.Delete(file);
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData("", "{", "not JSON", "etcdctl put /coreos.com/network/config")]
    [InlineData("", "[]", "not a JSON object", "/coreos.com/network/config")]
    [InlineData("", "{}", "Network is missing", "10.5.0.0/16")]
    [InlineData("", """{"Network":"10.5.0.0","Backend":{"Type":"vxlan"}}""", "Network \"10.5.0.0\"", "CIDR")]
    [InlineData("", """{"Network":"10.5.0.0/29","Backend":{"Type":"vxlan"}}""", "Network 10.5.0.0/29", "too small")]
    [InlineData("", """{"Network":"10.5.0.0/16","SubnetLen":17,"Backend":{"Type":"vxlan"}}""", "SubnetLen 17", "use 18 or more")]
    [InlineData("", """{"Network":"10.5.0.0/16","SubnetMin":"10.6.1.0","Backend":{"Type":"vxlan"}}""", "SubnetMin 10.6.1.0", "not inside Network")]
    [InlineData("", """{"Network":"10.5.0.0/16","SubnetMin":"10.5.9.0","SubnetMax":"10.5.3.0","Backend":{"Type":"vxlan"}}""", "SubnetMin 10.5.9.0", "above SubnetMax")]
    [InlineData("", """{"Network":"10.5.0.0/16","Backend":{}}""", "Backend.Type is missing", "\"Type\":\"vxlan\"")]
    [InlineData("", """{"Network":"10.5.0.0/16","Backend":{"Type":"udp"}}""", "Backend.Type \"udp\"", "use \"vxlan\"")]
    [InlineData("", """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":100}}""", "Backend.MTU 100", "use 626 or more")]
    [InlineData("", """{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:42::/48","Backend":{"Type":"vxlan"}}""", "EnableIPv6", "Remove the key")]
    [InlineData("", """{"Network":"192.0.0.0/16","Backend":{"Type":"vxlan"}}""", "Network 192.0.0.0/16", "overlaps the underlay 192.0.2.0/24")]
    [InlineData("", """{"Network":"192.0.2.0/24","Backend":{"Type":"vxlan"}}""", "Network 192.0.2.0/24", "overlaps the underlay")]
    [InlineData("--public-ip=10.5.7.7", LabSpec.DefaultConfig, "--public-ip=10.5.7.7", "inside the overlay Network")]
    [InlineData("--iface=nope0", LabSpec.DefaultConfig, "--iface=nope0", "eth0 (192.0.2.1)")]
    [InlineData("--iface=lo", LabSpec.DefaultConfig, "--iface=lo", "no usable IPv4 address")]
    [InlineData("--iface-regex=^nope", LabSpec.DefaultConfig, "--iface-regex=^nope", "eth0 (192.0.2.1)")]
    [InlineData("--iface-can-reach=203.0.113.9", LabSpec.DefaultConfig, "--iface-can-reach=203.0.113.9", "there is no route")]
    public async Task Agent_SomethingIsWrong_ExitsWithOneAndSaysWhat(string flag, string config, string culprit, string remedy)
    {
        await Lab.Etcd.PutConfigAsync(config, Cancel);

        var result = await RunAsync(flag);

        AssertTold(result, 1, culprit, remedy);
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_NoBackendBesideANodeThatRunsUdp_RefusesAndNamesTheKey()
    {
        await Lab.Etcd.PutConfigAsync("""{"Network":"10.5.0.0/16"}""", Cancel);
        await Lab.Etcd.CtlAsync("put", $"{LabEtcd.Prefix}/subnets/10.5.88.0-24", """{"PublicIP":"192.0.2.2","PublicIPv6":null}""");

        var result = await RunAsync("");

        AssertTold(result, 1, "Backend is missing in /coreos.com/network/config, and /coreos.com/network/subnets/10.5.88.0-24 (192.0.2.2)", "\"Backend\":{\"Type\":\"vxlan\"}");
        Assert.Single(await Lab.Etcd.ListAsync(cancel: Cancel));
    }

    [Theory]
    [InlineData("--ifcae=eth0", "--ifcae", "did you mean --iface?")]
    [InlineData("stray", "\"stray\" is not a flag", "--iface=eth0")]
    [InlineData("--etcd-endpoints=ftp://192.0.2.250:2379", "--etcd-endpoints", "http://")]
    [InlineData("--etcd-prefix=network", "--etcd-prefix=network", "/coreos.com/network")]
    [InlineData("--etcd-cafile=/nope/ca.pem", "--etcd-cafile", "/nope/ca.pem")]
    [InlineData("--subnet-lease-renew-margin=1440", "--subnet-lease-renew-margin=1440", "1 to 1439")]
    [InlineData("--subnet-lease-ttl=5s", "--subnet-lease-ttl=5s", "30s")]
    [InlineData("--reconcile-interval=soon", "--reconcile-interval=soon", "1s")]
    [InlineData("--datapath=magic", "--datapath=magic", "auto")]
    [InlineData("--ip-masq=maybe", "--ip-masq=maybe", "true or false")]
    [InlineData("--public-ip=host", "--public-ip=host", "IPv4 address")]
    [InlineData("--public-ip=127.0.0.1", "--public-ip=127.0.0.1", "no other host reaches it")]
    [InlineData("--iface-regex=[", "--iface-regex", "not a regular expression")]
    [InlineData("--iface-regex=(?<=eth)0", "--iface-regex=(?<=eth)0", "looks around or refers back")]
    [InlineData("--instance=../x", "--instance=../x", "a-z")]
    [InlineData("--kube-subnet-mgr", "--kube-subnet-mgr", "not supported")]
    public async Task Agent_BadFlag_ExitsWithTwoAndSaysWhat(string flag, string culprit, string remedy)
    {
        var result = await RunAsync(flag);

        AssertTold(result, 2, culprit, remedy);
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_NotRoot_ExitsWithOneAndSaysSo()
    {
        // Where anyone may run it: the repository may be in a home directory. A build that is not a single file has more beside it.
        var (source, folder) = (LabTools.Agent(null), Directory.CreateDirectory($"{Lab.Layout.RunDirectory}/anyone").FullName);
        var beside = Directory.EnumerateFiles(Path.GetDirectoryName(source)!).Where(f => f.EndsWith(".dll") || f.EndsWith(".json"));
        foreach (var file in beside.Append(source))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        var binary = Path.Combine(folder, Path.GetFileName(source));
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);

        var result = await Node.ExecAsync(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", binary, .. Arguments([])],
            stdin: null, Limit, Cancel);

        AssertTold(result, 1, "CAP_NET_ADMIN", "sudo");
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_NetworkIsFull_ExitsWithOneAndTakesNothing()
    {
        const string one = """{"Network":"10.5.0.0/16","SubnetMin":"10.5.1.0","SubnetMax":"10.5.1.0","Backend":{"Type":"vxlan"}}""";
        await Lab.Etcd.PutConfigAsync(one, Cancel);
        var taken = LabSteps.KeyName("10.5.1.0/24");
        await Lab.Etcd.CtlAsync("put", taken, LabSteps.LeaseValue("192.0.2.77", "02:00:00:00:00:77"));

        var result = await RunAsync();

        AssertTold(result, 1, "no free subnet", "etcdctl del");
        await Lab.Etcd.CtlAsync("del", taken);
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_EndpointIsAWebServer_ExitsWithOneAndNamesTheFlag()
    {
        await using var server = WebServer.Start(Lab.Etcd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello");

        var result = await RunAsync($"--etcd-endpoints=http://192.0.2.250:{server.Port}");

        AssertTold(result, 1, $"etcd at http://192.0.2.250:{server.Port}", "--etcd-endpoints");
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_SameInstanceTwice_SecondExitsAndTheFirstGoesOn()
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
        var before = await Overlay.OfKernelAsync(Node);

        var result = await RunAsync();

        AssertTold(result, 1, "--instance=default", "runs already");
        Assert.True(Node.AgentIsRunning);
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(Node))["health"]);
        Assert.Equal(before, await Overlay.OfKernelAsync(Node));
    }

    [Fact]
    public async Task Agent_NoConfigYet_WaitsSaysSoOnceAndGoesOn()
    {
        await Lab.Etcd.CtlAsync("del", $"{LabEtcd.Prefix}/config");
        Node.StartAgent();
        await Node.WaitAgentAsync("the message", () => Task.FromResult(Log().Contains("waiting for the network config")), cancel: Cancel);
        var reads = await EtcdMetrics.ReadAsync(Lab.Etcd, EtcdMetrics.Reads);
        await Node.WaitAgentAsync(
            "three more looks", async () => await EtcdMetrics.ReadAsync(Lab.Etcd, EtcdMetrics.Reads) >= reads + 3, cancel: Cancel);

        var status = await AgentSocket.StatusAsync(Node);
        Assert.Contains("no-config", AgentSocket.Problems(status));
        Assert.Contains("the old v2 API", (string?)status["problems"]![0]!["message"], StringComparison.Ordinal);
        Assert.Equal(1, (await Node.ShowStatusAsync(Cancel)).ExitCode);
        await AssertNothingLeftAsync();
        var line = Assert.Single(Log().Split('\n'), l => l.Contains("waiting for the network config"));
        Assert.Contains("etcdctl put /coreos.com/network/config '", line, StringComparison.Ordinal);

        // The remedy as the message gives it.
        await Lab.Etcd.PutConfigAsync(line[(line.IndexOf('\'') + 1)..line.LastIndexOf('\'')], Cancel);
        await Node.WaitReadyAsync(cancel: Cancel);
        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok");
    }

    [Fact]
    public async Task Agent_EtcdUnreachableAtStart_KeepsTryingSaysSoOnceAndGoesOn()
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        await Lab.Etcd.StopAsync();
        Node.StartAgent();
        await Node.WaitAgentAsync("the message", () => Task.FromResult(Log().Contains("etcd at http://192.0.2.250:2379")), cancel: Cancel);
        await using (var attempts = await Lab.Etcd.StartCaptureAsync("eth0", "tcp dst port 2379 and tcp[tcpflags] == tcp-syn", Cancel))
            await attempts.WaitPacketsAsync(5, cancel: Cancel);

        var line = Assert.Single(Log().Split('\n'), l => l.Contains("etcd at http://192.0.2.250:2379"));
        Assert.Contains("connection refused", line, StringComparison.Ordinal);
        Assert.Contains("--etcd-endpoints", line, StringComparison.Ordinal);
        Assert.Equal(1, (await Node.ShowStatusAsync(Cancel)).ExitCode);
        Assert.Equal("", await Overlay.OfKernelAsync(Node));

        await Lab.Etcd.StartAsync(Cancel);
        await Node.WaitReadyAsync(cancel: Cancel);
        Assert.Single(Log().Split('\n'), l => l.Contains("etcd answers at"));
    }

    [Theory]
    [InlineData("https://192.0.2.250:2379", "write http://")]
    [InlineData("http://192.0.2.99:2379", "no connection within")]
    [InlineData("http://nosuchhost.invalid:2379", "does not resolve")]
    public async Task Agent_EndpointIsWrong_KeepsTryingAndSaysSoOnce(string endpoint, string cause)
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        Node.StartAgent($"--etcd-endpoints={endpoint}");

        var status = await AgentSocket.WaitAsync(Node, "the problem", s => AgentSocket.Problems(s).Contains("etcd-unreachable"));

        Output.WriteLine(Log().TrimEnd());
        Assert.False((bool)status["ready"]!);
        var line = Assert.Single(Log().Split('\n'), l => l.Contains($"etcd at {endpoint}"));
        Assert.Contains(cause, line, StringComparison.Ordinal);
        Assert.Contains("--etcd-endpoints", line, StringComparison.Ordinal);
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_SubnetFileCannotBeWritten_SaysSoAndWritesItOnceItCan()
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        var folder = $"{Lab.Layout.RunDirectory}/taken";
        await File.WriteAllTextAsync(folder, "a file where the directory should be", Cancel);
        Node.StartAgent($"--subnet-file={folder}/subnet.env");

        var status = await AgentSocket.WaitAsync(Node, "the problem", s => AgentSocket.Problems(s).Contains("subnet-file"));

        Assert.False((bool)status["ready"]!);
        Assert.Equal("critical", (string?)status["health"]);
        Assert.Contains($"--subnet-file={folder}/subnet.env", status["problems"]!.ToJsonString(), StringComparison.Ordinal);
        File.Delete(folder);
        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok" && (bool)s["ready"]!);
        Assert.True(File.Exists($"{folder}/subnet.env"));
    }

    [Theory]
    [InlineData(new string[0], "user name is empty", "--etcd-username")]
    [InlineData(new[] { "--etcd-username=node", "--etcd-password=wrong" }, "invalid user ID or password (user 'node')", "check --etcd-username and --etcd-password")]
    [InlineData(new[] { "--etcd-username=other", "--etcd-password=secret" }, "permission denied", "the user of --etcd-username needs a role that may read PREFIX/config and write PREFIX/subnets/")]
    public async Task Agent_EtcdUserMayNot_ExitsWithOneAndNamesTheFlags(string[] flags, string culprit, string remedy)
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        foreach (var command in (string[])["user add root:root", "user grant-role root root", "user add node:secret", "user add other:secret", "auth enable"])
            await Lab.Etcd.CtlAsync(command.Split(' '));
        try
        {
            var result = await RunAsync(flags);

            AssertTold(result, 1, culprit, remedy);
            Assert.DoesNotContain("wrong", result.Stderr, StringComparison.Ordinal);
        }
        finally
        {
            foreach (var command in (string[])["auth disable", "user delete node", "user delete other", "user delete root"])
                await Lab.Etcd.CtlAsync([.. command.StartsWith("auth", StringComparison.Ordinal) ? (string[])["--user=root:root"] : [], .. command.Split(' ')]);
        }

        await AssertNothingLeftAsync();
    }

    // The first message is the client's that has no CA, the second of one with another CA than the server's.
    [Theory]
    [InlineData(false, "signed by no CA this system trusts", "--etcd-cafile=FILE")]
    [InlineData(true, "not signed by a CA in --etcd-cafile=", "give the CA it is signed by")]
    public async Task Agent_EtcdOfAnotherCa_SaysSoAndNamesTheFlag(bool hasCa, string culprit, string remedy)
    {
        await using var server = WebServer.Start(Lab.Etcd, "", NewCertificate());
        var file = $"{Node.RunDirectory}/ca.pem";
        Directory.CreateDirectory(Node.RunDirectory);
        await File.WriteAllTextAsync(file, NewCertificate().ExportCertificatePem(), Cancel);

        var result = await RunAsync([$"--etcd-endpoints=https://192.0.2.250:{server.Port}", .. hasCa ? (string[])[$"--etcd-cafile={file}"] : []]);

        AssertTold(result, 1, culprit, remedy);
        await AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Agent_KeyOfAnotherCertificate_ExitsWithTwoAndNamesBothFlags()
    {
        var (cert, key) = ($"{Node.RunDirectory}/cert.pem", $"{Node.RunDirectory}/key.pem");
        Directory.CreateDirectory(Node.RunDirectory);
        await File.WriteAllTextAsync(cert, NewCertificate().ExportCertificatePem(), Cancel);
        await File.WriteAllTextAsync(key, NewCertificate().GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), Cancel);

        var result = await RunAsync("--etcd-endpoints=https://192.0.2.250:2379", $"--etcd-certfile={cert}", $"--etcd-keyfile={key}");

        AssertTold(result, 2, $"--etcd-keyfile={key}", $"--etcd-certfile={cert}; give the pair");
    }

    [Fact]
    public async Task Agent_UnderlayLosesItsAddress_KeepsEverythingSaysSoAndGoesOn()
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        Node.StartAgent("--reconcile-interval=1s");
        await Node.WaitReadyAsync(cancel: Cancel);
        await Node.WaitLinkLocalAsync(Cancel);
        var before = await Overlay.OfKernelAsync(Node);

        await Node.RunAsync("ip", "address", "del", $"{Node.Address}/24", "dev", "eth0");

        var status = await AgentSocket.WaitAsync(Node, "the problem", s => AgentSocket.Problems(s).Contains("underlay"));
        Assert.Equal("critical", (string?)status["health"]);
        Assert.Contains("--iface=eth0: eth0 has no usable IPv4 address", status["problems"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(before, await Overlay.OfKernelAsync(Node));
        await Node.RunAsync("ip", "address", "add", $"{Node.Address}/24", "dev", "eth0");
        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok");
        Assert.Equal(before, await Overlay.OfKernelAsync(Node));
    }

    [Fact]
    public async Task Agent_UdpPortTakenByAProgram_SaysSoAndUsesItOnceItIsFree()
    {
        await Lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        await Lab.Etcd.CtlAsync("put", LabSteps.KeyName("10.5.200.0/24"), LabSteps.LeaseValue("192.0.2.77", "6e:0b:24:f3:bc:5a"));
        var program = NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{Node.Namespace}", () => new UdpClient(8472));
        using (program)
        {
            Node.StartAgent("--reconcile-interval=1s");

            var status = await AgentSocket.WaitAsync(Node, "the problem", s => AgentSocket.Problems(s).Contains("no-transport"));

            Assert.Equal("critical", (string?)status["health"]);
            Assert.Contains("UDP port 8472 is in use", status["problems"]!.ToJsonString(), StringComparison.Ordinal);
            Assert.Contains("Backend.Port", status["problems"]!.ToJsonString(), StringComparison.Ordinal);
        }

        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok" && (bool)s["ready"]!);
    }

    private static X509Certificate2 NewCertificate()
    {
        var request = new CertificateRequest("CN=etcd", ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse("192.0.2.250"));
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private Task<CommandResult> RunAsync(params string[] flags) =>
        Node.ExecAsync([LabTools.Agent(null), .. Arguments(flags.Where(f => f.Length > 0))], stdin: null, Limit, Cancel);

    /// <summary>The lab's own flags unless a test says otherwise: of repeated ones the agent takes the last, and of --iface the first.</summary>
    private string[] Arguments(IEnumerable<string> flags) =>
    [
        "agent", .. flags.Any(f => f.StartsWith("--iface", StringComparison.Ordinal)) ? (string[])[] : ["--iface=eth0"],
        $"--etcd-endpoints={Lab.Layout.EtcdEndpoint}", $"--run-dir={Node.RunDirectory}", $"--state-dir={Node.RunDirectory}/state",
        $"--subnet-file={Node.SubnetFile}", "--ip-masq", .. flags,
    ];

    private void AssertTold(CommandResult result, int exitCode, string culprit, string remedy)
    {
        Output.WriteLine(result.Stderr.TrimEnd());
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal("", result.Stdout);
        // One line says it all; a stack trace says nothing to a newcomer. A first attempt that ends in a lost connection may warn before it.
        var line = Assert.Single(result.Stderr.Split('\n'), l => l.Contains(culprit, StringComparison.Ordinal) && !l.Contains("Z warn ", StringComparison.Ordinal));
        Assert.Contains(remedy, line, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Stderr, StringComparison.Ordinal);
    }

    private async Task AssertNothingLeftAsync()
    {
        Assert.Equal("", await Overlay.OfKernelAsync(Node));
        Assert.Equal("", await Node.RunAsync("nft", "list", "ruleset"));
        Assert.Empty(await Lab.Etcd.ListAsync(cancel: Cancel));
        Assert.StartsWith("found 0 leases", await Lab.Etcd.CtlAsync("lease", "list"), StringComparison.Ordinal);
        Assert.False(File.Exists(Node.SubnetFile));
    }

    private string Log() => File.Exists(Node.LogFile) ? LogFiles.Read(Node.LogFile) : "";

    /// <summary>One host, and nothing runs on it but what a test starts.</summary>
    public sealed class BareNode() : SharedLab(new LabSpec { Nodes = 1, PodsPerNode = 0 })
    {
        /// <inheritdoc/>
        protected override Task PrepareAsync(NetworkLab lab) => Task.CompletedTask;
    }
}
