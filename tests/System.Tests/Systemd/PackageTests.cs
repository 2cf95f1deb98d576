using Accelerated.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>The Debian package: what it brings, and that it comes, is replaced and goes without harm.</summary>
public sealed class PackageTests(Machines machines, ITestOutputHelper output) : MachineTest(machines, output)
{
    private const string Next = "1.0.1";

    private SystemdMachine Three => Machines.Three;

    [Fact]
    public async Task Package_AsShipped_PassesLintian()
    {
        var scratch = Machines.Lab.Layout.ScratchDirectory;
        var made = await Machines.Lab.Node(1).ExecAsync(
            ["env", "VERSION=2.0.0", $"OUTPUT={scratch}", $"{LabTools.Repository}/scripts/package.sh"], stdin: null, TimeSpan.FromMinutes(2), Cancel);
        _ = made.OrThrow();

        var lintian = await Machines.Lab.Node(1).ExecAsync(["lintian", "--allow-root", "--fail-on", "error,warning", $"{scratch}/accelerated_2.0.0_amd64.deb"], stdin: null, TimeSpan.FromMinutes(2), Cancel);

        Assert.True(lintian.Succeeded, lintian.Stdout);
        Output.WriteLine($"measured: {new FileInfo($"{scratch}/accelerated_2.0.0_amd64.deb").Length / 1e6:0.0} MB; lintian has nothing to say");
    }

    [Fact]
    public async Task Package_Upgraded_RestartsTheServiceAndLosesNoPacket()
    {
        await WaitReadyAsync(One);
        await Machines.CopyAsync(One, await Machines.PackageAsync(Next));
        var (process, settings) = (await ProcessAsync(One), await One.RunAsync("cat", "/etc/accelerated/agent.env"));
        await using var ping = One.StartPing(Machines.Far);
        await ping.WaitAnswersAsync(50, cancel: Cancel);

        await One.RunAsync("apt-get", "install", "--yes", Machines.Package);

        await One.WaitAsync("the new process", async () => await ProcessAsync(One) is not 0 and var now && now != process && await One.ShowAsync(Unit, "ActiveState") == "active", cancel: Cancel);
        await WaitReadyAsync(One);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        var result = await ping.StopAsync();
        Output.WriteLine($"measured: upgrade under a ping every 5 ms: {result}");
        Assert.Equal(0, result.Lost);
        Assert.Equal(Next, (await One.RunAsync("dpkg-query", "--show", "--showformat=${Version}", "accelerated")).Trim());
        Assert.Equal(("enabled", settings), ((await One.RunAsync("systemctl", "is-enabled", Unit)).Trim(), await One.RunAsync("cat", "/etc/accelerated/agent.env")));

        // And back, so that the next test begins with what the others have.
        await Machines.CopyAsync(One, await Machines.PackageAsync(Machines.Version));
        await One.RunAsync("apt-get", "install", "--yes", "--allow-downgrades", Machines.Package);
        await WaitReadyAsync(One);
    }

    [Fact]
    public async Task Package_RemovedThenPurged_CarriesPacketsUntilThePurgeAndLeavesNothing()
    {
        await WaitReadyAsync(Three);
        await Three.AttachContainerAsync();
        Assert.True(await Three.PingAsync(Machines.Far));

        await Three.RunAsync("apt-get", "remove", "--yes", "accelerated");

        Assert.Equal("inactive", (await Three.ExecAsync("systemctl", "is-active", Unit)).Stdout.Trim());
        Assert.True(await Three.PingAsync(Machines.Far));
        await Three.ShellAsync("ip netns del c1; ip link del cni0");

        var purge = (await Three.ExecAsync("apt-get", "purge", "--yes", "accelerated")).OrThrow();

        Assert.Contains("removed: the device flannel.1", purge.Stdout, StringComparison.Ordinal);
        Assert.Equal(Machines.Before, await HostTraces.OfAsync(Three));

        // Without its settings the package starts nothing, and so keeps nobody waiting.
        await Machines.CopyAsync(Three, await Machines.PackageAsync(Machines.Version));
        var installed = await Three.RunAsync("apt-get", "install", "--yes", Machines.Package);
        Assert.Contains("say where etcd is in /etc/accelerated/agent.env", installed, StringComparison.Ordinal);
        Assert.Equal(("disabled", "inactive"), ((await Three.ExecAsync("systemctl", "is-enabled", Unit)).Stdout.Trim(), await Three.ShowAsync(Unit, "ActiveState")));
        await Three.RunAsync("apt-get", "purge", "--yes", "accelerated");
        Assert.Equal(Machines.Before, await HostTraces.OfAsync(Three));

        // With them it starts by itself; the file of before is kept.
        await Three.ShellAsync($"mkdir /etc/accelerated; echo FLANNELD_ETCD_ENDPOINTS={Machines.Lab.Etcd.Members[0].Endpoint} >/etc/accelerated/agent.env");
        await Three.RunAsync("apt-get", "install", "--yes", "-o", "Dpkg::Options::=--force-confold", Machines.Package);
        await WaitReadyAsync(Three);
        Assert.Equal("enabled", (await Three.RunAsync("systemctl", "is-enabled", Unit)).Trim());
    }

    [Fact]
    public async Task Install_IntoAFolder_PutsTheSameFilesThereAndNothingElsewhere()
    {
        var folder = Path.Combine(Machines.Lab.Layout.ScratchDirectory, "destination");
        _ = (await Machines.Lab.Node(1).ExecAsync("make", "--no-print-directory", "-C", LabTools.Repository!, "-o", "artifacts/accelerated", "install", $"DESTDIR={folder}")).OrThrow();

        var installed = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(f => f[folder.Length..]).Order(StringComparer.Ordinal);
        var packaged = (await One.RunAsync("dpkg", "--listfiles", "accelerated")).Split('\n')
            .Where(f => File.Exists($"{One.Root}{f}") && !f.StartsWith("/usr/share/lintian", StringComparison.Ordinal) && !f.EndsWith("/copyright", StringComparison.Ordinal) && !f.EndsWith("/changelog.gz", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
        Assert.Equal(packaged, installed);
    }

    [Fact]
    public async Task Completion_InBash_KnowsCommandsFlagsAndValues()
    {
        // The shell in which a person presses the Tab key.
        const string complete = """
            . /usr/share/bash-completion/completions/accelerated
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _accelerated 2>/dev/null; printf '%s\n' "${COMPREPLY[@]}"
            """;
        Assert.Equal("status", await CompleteAsync("accelerated", "st"));
        Assert.Equal("--etcd-endpoints=", await CompleteAsync("accelerated", "agent", "--etcd-e"));
        Assert.Equal("--json", await CompleteAsync("accelerated", "status", "--j"));
        Assert.Equal("observe off", await CompleteAsync("accelerated", "agent", "--guard", "=", "o"));

        async Task<string> CompleteAsync(params string[] words) =>
            (await One.RunAsync(["bash", "-c", complete, "bash", .. words])).Trim().Replace('\n', ' ');
    }

    [Fact]
    public async Task Manual_AsInstalled_NamesEveryFlag()
    {
        var manual = (await One.RunAsync("zcat", "/usr/share/man/man8/accelerated.8.gz")).Replace("\\-", "-", StringComparison.Ordinal).Replace("\\e", "\\", StringComparison.Ordinal);
        foreach (var flag in (await One.RunAsync("accelerated", "agent", "--help")).Split('\n').Where(l => l.StartsWith("  --", StringComparison.Ordinal)))
            Assert.Contains($".B {flag[2..]}", manual, StringComparison.Ordinal);
    }
}
