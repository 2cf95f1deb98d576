using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Faults;

/// <summary>TLS, client certificates, and users that may do no more than they must.</summary>
public sealed class AccessTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Password = "ein-gut-gehuetetes-wort";

    // flannel ignores a CA without key and certificate.
    [Fact]
    public async Task Tls_WithTheCaAlone_IsEnoughAndSurvivesItsMember()
    {
        await using var scene = await FaultScene.BeginAsync(await UpAsync(Spec(new EtcdSpec { Members = 3, Version = "3.5", Tls = true })), Output);
        var member = await scene.MemberOfAsync(scene.Node);
        scene.Mark();
        await member.StopAsync("KILL");
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("tls-member-killed");
        await scene.EndAsync();
        scene.AssertToldOfAnElectionAtMost();
    }

    [Fact]
    public async Task Certificates_AllRotatedWithTheirCa_NodesFollowWithoutARestart()
    {
        await using var scene = await FaultScene.BeginAsync(await UpAsync(Spec(Mutual)), Output);
        scene.Etcd.Certificates!.Issue();
        // A member reads its CA at its start only. Until most have, most are refused.
        foreach (var member in scene.Etcd.Members)
        {
            await member.StopAsync();
            await member.StartAsync(Cancel);
        }

        scene.Mark();
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("certificates-rotated");
        await scene.EndAsync();
        Assert.All(scene.Lab.Nodes, n => Assert.DoesNotContain(scene.Told(n), l => l.Contains("fatal", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Reload_OfARunningAgent_ReadsTheFilesAtOnce()
    {
        await using var scene = await FaultScene.BeginAsync(await UpAsync(Spec(Mutual with { Members = 1 })), Output);
        var certificate = $"{scene.Lab.Layout.EtcdDirectory}/pki/client.pem";
        var text = await File.ReadAllTextAsync(certificate, Cancel);
        // Nothing looks at it while the connection lasts.
        File.Delete(certificate);
        await scene.LastAsync(TimeSpan.FromSeconds(1));
        scene.AssertTold(scene.Lab.Nodes);
        await scene.Node.RunAsync("kill", "-HUP", $"{scene.Node.AgentProcessId}");
        await FaultScene.WaitAwayAsync(scene.Node);
        await File.WriteAllTextAsync(certificate, text, Cancel);
        scene.Mark();
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("certificate-missing", TimeSpan.FromSeconds(10));
        await scene.EndAsync();
        scene.AssertTold([scene.Node], $"--etcd-certfile={certificate}: there is no such file", "etcd answers at https://");
    }

    [Theory]
    [InlineData("3.4")]
    [InlineData("3.5")]
    public async Task User_ThatMayReadTheConfigAndWriteSubnets_IsEnough(string version)
    {
        var lab = await UpAsync(Spec(new EtcdSpec { Members = 3, Version = version, Flags = ["--auth-token-ttl=2", "--bcrypt-cost=4"] }) with
        {
            AgentFlags = ["--etcd-username=node", $"--etcd-password={Password}"],
        });
        await SwitchAuthenticationOnAsync(lab.Etcd);
        await using var scene = await FaultScene.BeginAsync(lab, Output);
        // Twice the token's life, then a call that needs one: every watch has gone, with its member.
        await scene.LastAsync(TimeSpan.FromSeconds(4));
        var member = await scene.MemberOfAsync(scene.Node);
        scene.Mark();
        await member.StopAsync("KILL");
        await scene.PutStrangerAsync();
        await scene.RecoverAsync($"token-expired-{version}");

        // The config is one key, and it is watched: not read every few seconds.
        await scene.Etcd.PutConfigAsync(LabSpec.DefaultConfig + " ", Cancel);
        await Task.WhenAll(lab.Nodes.Select(n => n.WaitAgentAsync(
            "the new config", () => Task.FromResult(LogFiles.Read(n.LogFile).Contains("has changed, following it", StringComparison.Ordinal)), TimeSpan.FromSeconds(3), Cancel)));
        await scene.EndAsync();
        Assert.All(lab.Nodes, n => Assert.DoesNotContain(scene.Told(n), l => l.Contains("cannot be watched", StringComparison.Ordinal)));
        foreach (var node in lab.Nodes)
            await AssertSecretAsync(node);
    }

    private static EtcdSpec Mutual => new() { Members = 3, Version = "3.4", Tls = true, ClientCertificates = true };

    private static LabSpec Spec(EtcdSpec etcd) => new() { Datapath = LabSpec.BpfDatapath, Etcd = etcd };

    private static async Task SwitchAuthenticationOnAsync(LabEtcd etcd)
    {
        foreach (var command in new[]
        {
            "user add root:wurzel", $"user add node:{Password}", "role add node", $"role grant-permission node read {LabEtcd.Prefix}/config",
            $"role grant-permission node readwrite {LabEtcd.Prefix}/subnets/ --prefix", "user grant-role node node", "user grant-role root root", "auth enable",
        })
        {
            await etcd.CtlAsync(command.Split(' '));
        }

        etcd.User = "root:wurzel";
    }

    /// <summary>The password is in no log, file, status or process title.</summary>
    private static async Task AssertSecretAsync(LabNode node)
    {
        var title = await File.ReadAllTextAsync($"/proc/{node.AgentProcessId}/cmdline", Cancel);
        Assert.Contains("--etcd-password=x", title, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, title, StringComparison.Ordinal);
        Assert.Equal("", (await node.ExecAsync("grep", "-rl", "--devices=skip", Password, node.RunDirectory)).Stdout);
        Assert.DoesNotContain(Password, (await AgentSocket.StatusAsync(node)).ToJsonString(), StringComparison.Ordinal);
    }
}
