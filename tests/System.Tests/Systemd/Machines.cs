using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>
/// Three machines with a real systemd, on each the package, installed as docs/install.md says, and a container. Tests share them, one after the
/// other, and leave them as they found them.
/// </summary>
public sealed class Machines : IAsyncLifetime
{
    /// <summary>The version that is installed.</summary>
    public const string Version = "1.0.0";

    /// <summary>Where <see cref="CopyAsync"/> puts a package on a machine.</summary>
    public const string Package = "/var/tmp/accelerated.deb";

    private const string Settings = "/etc/accelerated/agent.env";
    private const string DropIn = "/run/systemd/system/accelerated.service.d/test.conf";

    private NetworkLab? _lab;
    private SystemdMachine[] _all = [];

    /// <summary>The lab with switch and etcd.</summary>
    public NetworkLab Lab => _lab ?? throw new InvalidOperationException("the machines are not up yet");

    /// <summary>Where most of it happens.</summary>
    public SystemdMachine One => _all[0];

    /// <summary>The one that others talk to.</summary>
    public SystemdMachine Two => _all[1];

    /// <summary>The one on which packages come and go.</summary>
    public SystemdMachine Three => _all[2];

    /// <summary>The address of the container on <see cref="Two"/>.</summary>
    public IPAddress Far { get; private set; } = IPAddress.None;

    /// <summary>What was on <see cref="Three"/> before the package.</summary>
    public string Before { get; private set; } = "";

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        var cancel = TestContext.Current.CancellationToken;
        _lab = await LabTest.RaiseAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        try
        {
            _all = await Task.WhenAll(Enumerable.Range(1, 3).Select(number => SystemdMachine.BootAsync(Lab, number, cancel)));
            Before = await HostTraces.OfAsync(Three);
            var package = await PackageAsync(Version);
            await Task.WhenAll(_all.Select(machine => InstallAsync(machine, package)));
            await AttachAsync();
        }
        catch
        {
            await _lab.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_all.Select(machine => machine.DisposeAsync().AsTask()));
        if (_lab is not null)
            await _lab.DisposeAsync();
    }

    /// <summary>Makes the package; gives its path.</summary>
    public async Task<string> PackageAsync(string version)
    {
        // Uncompressed: made in a second. What is shipped is made, and looked at, by a test of its own.
        var made = await Lab.Node(1).ExecAsync(
            ["env", $"VERSION={version}", $"OUTPUT={Lab.Layout.ScratchDirectory}", "COMPRESSION=none", $"{LabTools.Repository}/scripts/package.sh"], stdin: null, TimeSpan.FromMinutes(1));
        _ = made.OrThrow();
        return $"{Lab.Layout.ScratchDirectory}/accelerated_{version}_amd64.deb";
    }

    /// <summary>The steps of docs/install.md.</summary>
    public async Task InstallAsync(SystemdMachine machine, string package)
    {
        await CopyAsync(machine, package);
        await machine.RunAsync("apt-get", "install", "--yes", Package);
        await machine.ShellAsync($"printf 'FLANNELD_ETCD_ENDPOINTS={Lab.Etcd.Members[0].Endpoint}\\nFLANNELD_IP_MASQ=true\\n' >>{Settings}");
        await machine.RunAsync("systemctl", "enable", "--now", "accelerated");
    }

    /// <summary>Puts a package where the machine finds it.</summary>
    public static async Task CopyAsync(SystemdMachine machine, string package)
    {
        await using var from = File.OpenRead(package);
        await using var to = File.Create($"{machine.Root}{Package}");
        await from.CopyToAsync(to, TestContext.Current.CancellationToken);
    }

    /// <summary>Makes the containers of <see cref="One"/> and <see cref="Two"/> anew, and waits until they reach each other.</summary>
    public async Task AttachAsync()
    {
        await One.AttachContainerAsync();
        Far = await Two.AttachContainerAsync();
        await One.WaitAsync("containers that reach each other", async () => await One.PingAsync(Far));
    }

    /// <summary>Adds lines to the unit of a machine until the result is disposed, and starts it again with and without them. A start that fails is no error.</summary>
    public static async Task<IAsyncDisposable> WithAsync(SystemdMachine machine, string section)
    {
        await ApplyAsync($"mkdir -p {Path.GetDirectoryName(DropIn)}; printf '%s\\n' '{section.ReplaceLineEndings("' '")}' >{DropIn}");
        return new Undo(() => ApplyAsync($"rm -f {DropIn}"));

        async Task ApplyAsync(string change)
        {
            await machine.ShellAsync($"{change}; systemctl daemon-reload; systemctl reset-failed accelerated");
            await machine.ExecAsync(["systemctl", "--no-block", "restart", "accelerated"], limit: null);
            await machine.WaitAsync("the restart", async () => await machine.ShowAsync("accelerated", "Job") is "" or "0");
        }
    }

    private sealed class Undo(Func<Task> action) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await action();
    }
}
