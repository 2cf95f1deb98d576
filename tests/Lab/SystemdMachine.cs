using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Accelerated.Lab;

/// <summary>
/// A host of the lab with a real systemd: a small Debian in systemd-nspawn, its <c>host0</c> on the lab's switch. What is written to its disk
/// stays over a reboot, /run and the BPF file system do not. Disposing pulls the plug; what is left the lab takes down with everything else.
/// </summary>
public sealed class SystemdMachine : IAsyncDisposable
{
    // What nspawn ends with when the machine wants to reboot.
    private const int RebootCode = 133;
    private const string BootedStates = "running degraded";

    private static readonly TimeSpan BootLimit = TimeSpan.FromSeconds(60);

    private readonly NetworkLab _lab;
    private readonly int _number;
    private BackgroundCommand? _nspawn;
    private int _leader;
    private int _boots;

    private SystemdMachine(NetworkLab lab, int number) => (_lab, _number) = (lab, number);

    /// <summary>Its host name.</summary>
    public string Name => _lab.Layout.MachineName(_number);

    /// <summary>The address of <c>host0</c>.</summary>
    public IPAddress Address => LabLayout.MachineAddress(_number);

    /// <summary>Its file system as this process sees it.</summary>
    public string Root => $"{Folder}/root";

    private string Folder => _lab.Layout.MachineDirectory(_number);

    private string BpfFolder => $"{Folder}/bpf";

    /// <summary>Makes it and waits until it has booted.</summary>
    /// <param name="lab">Where it belongs.</param>
    /// <param name="number">Counted from 1.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="LabException">It does not come up; the message ends with its console.</exception>
    public static async Task<SystemdMachine> BootAsync(NetworkLab lab, int number, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(lab);
        var machine = new SystemdMachine(lab, number);
        await machine.BuildAsync(cancel);
        await machine.StartAsync(cancel);
        return machine;
    }

    /// <summary>Runs a command in it, to its end.</summary>
    /// <param name="command">The program and its arguments; no shell in between.</param>
    public Task<CommandResult> ExecAsync(params string[] command) => ExecAsync(command, limit: null);

    /// <summary>Runs a command in it, to its end.</summary>
    /// <param name="command">The program and its arguments; no shell in between.</param>
    /// <param name="limit">How long it may take, 30 s if null.</param>
    /// <param name="cancel">Kills it.</param>
    /// <exception cref="LabException">It cannot be started or took too long.</exception>
    public Task<CommandResult> ExecAsync(IReadOnlyList<string> command, TimeSpan? limit, CancellationToken cancel = default) =>
        _lab.Commands.ExecAsync([.. Enter("-p"), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", .. command],
            stdin: null, limit, environment: null, cancel);

    /// <summary>Runs a command that has to succeed; gives its standard output.</summary>
    /// <exception cref="LabException">It failed; the message holds the command line and its stderr.</exception>
    public async Task<string> RunAsync(params string[] command) => (await ExecAsync(command)).OrThrow().Stdout;

    /// <summary>Runs a script that has to succeed; gives its standard output.</summary>
    /// <exception cref="LabException">It failed; the message holds the script and its stderr.</exception>
    public Task<string> ShellAsync(string script) => RunAsync("sh", "-euc", script);

    /// <summary>A property of a unit as <c>systemctl show</c> has it; empty if it has no value.</summary>
    public async Task<string> ShowAsync(string unit, string property) => (await RunAsync("systemctl", "show", "--value", $"--property={property}", unit)).TrimEnd('\n');

    /// <summary>Entries of the journal, oldest first, each with all its fields.</summary>
    /// <param name="arguments">Of journalctl, such as <c>-u UNIT</c>.</param>
    public async Task<IReadOnlyList<JsonObject>> JournalAsync(params string[] arguments) =>
        (await RunAsync(["journalctl", "--sync"]) + await RunAsync(["journalctl", "--no-pager", "--output=json", "--all", .. arguments]))
        .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!.AsObject()).ToList();

    /// <summary>What <c>accelerated status --json</c> says; null if no agent answers.</summary>
    public async Task<JsonObject?> StatusAsync()
    {
        try
        {
            return JsonNode.Parse((await ExecAsync("accelerated", "status", "--json")).Stdout) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Polls until a condition on the machine holds; the error shows the end of the journal.</summary>
    /// <exception cref="LabException">The deadline passed.</exception>
    public async Task WaitAsync(string what, Func<Task<bool>> condition, TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        try
        {
            await Wait.UntilAsync($"{what} on {Name}", condition, deadline, explain: null, cancel);
        }
        catch (LabException e)
        {
            var journal = await ExecAsync("journalctl", "--no-pager", "-n", "40", "-o", "short-precise");
            throw new LabException($"{e.Message}\n{journal.Stdout}", e);
        }
    }

    /// <summary>
    /// Does what a container runtime does with <c>subnet.env</c>: a bridge with the subnet's first address, and one container on it with the
    /// second. May be repeated.
    /// </summary>
    /// <returns>The container's address.</returns>
    public async Task<IPAddress> AttachContainerAsync()
    {
        var address = await ShellAsync("""
            . /run/flannel/subnet.env
            gateway=${FLANNEL_SUBNET%/*} length=${FLANNEL_SUBNET#*/} prefix=${FLANNEL_SUBNET%.*}
            # Ignoring failures: the first time there is nothing to remove.
            ip netns del c1 2>/dev/null || true
            ip link del cni0 2>/dev/null || true
            ip netns add c1
            ip link add cni0 mtu "$FLANNEL_MTU" type bridge forward_delay 0
            ip address add "$gateway/$length" dev cni0
            ip link set cni0 up
            ip link add veth1 mtu "$FLANNEL_MTU" type veth peer name eth0 netns c1 mtu "$FLANNEL_MTU"
            ip link set veth1 master cni0 up
            ip -n c1 address add "$prefix.2/$length" dev eth0
            ip -n c1 link set lo up
            ip -n c1 link set eth0 up
            ip -n c1 route add default via "$gateway"
            echo "$prefix.2"
            """);
        return IPAddress.Parse(address.Trim());
    }

    /// <summary>Pings from the container.</summary>
    /// <returns>Whether all of three were answered.</returns>
    public async Task<bool> PingAsync(IPAddress target) =>
        (await ExecAsync("ip", "netns", "exec", "c1", "ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", target.ToString())).Stdout.Contains(" 0% packet loss", StringComparison.Ordinal);

    /// <summary>Starts pinging from the container, every 5 ms.</summary>
    public PingRun StartPing(IPAddress target)
    {
        ArgumentNullException.ThrowIfNull(target);
        // Not into its process namespace: nsenter would stay as the parent, and a signal would end that one.
        string[] command = [.. Enter(), "nsenter", "--net=/run/netns/c1", "--", "ping", "-n", "-D", "-i", "0.005", target.ToString()];
        return new PingRun(new BackgroundCommand(_lab.Commands, _lab.Layout.SwitchNamespace, command, $"{Folder}/ping-{Guid.NewGuid():N}.log"));
    }

    /// <summary>Boots again, as <c>systemctl reboot</c> does it; containers are gone afterwards.</summary>
    /// <exception cref="LabException">It does not go down or come up.</exception>
    public async Task RebootAsync(CancellationToken cancel = default)
    {
        await ExecAsync("systemctl", "reboot");
        await Wait.UntilAsync($"the end of {Name}", () => !_nspawn!.IsRunning, BootLimit, () => LogFiles.Tail($"{Folder}/console.log"), cancel);
        if (_nspawn!.ExitCode != RebootCode)
            throw new LabException($"{Name} ended with {_nspawn.ExitCode} where a reboot was asked for\n{LogFiles.Tail($"{Folder}/console.log")}");
        await _nspawn.DisposeAsync();
        await _lab.Commands.RunAsync(["umount", BpfFolder], cancel: cancel);
        await StartAsync(cancel);
    }

    /// <summary>Kills its init, and with that everything in it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_nspawn is null)
            return;
        // nspawn itself last: without it nobody would end the init.
        if (_nspawn.IsRunning && _leader != 0)
            await _lab.Commands.SignalAsync("KILL", _leader);
        await _nspawn.DisposeAsync();
    }

    /// <summary>The end of its journal, for errors.</summary>
    public async Task<string> JournalTailAsync()
    {
        // Some services say so much when they start that nothing else would be left.
        var all = await ExecAsync("journalctl", "--no-pager", "-n", "60", "-o", "short-precise");
        var agent = await ExecAsync("journalctl", "--no-pager", "-n", "60", "-o", "short-precise", "--unit", "accelerated");
        return $"{all.Stdout}--- of the service alone\n{agent.Stdout}";
    }

    private async Task BuildAsync(CancellationToken cancel)
    {
        foreach (var folder in (string[])[Root, $"{Folder}/upper", $"{Folder}/work", BpfFolder])
            Directory.CreateDirectory(folder);
        await _lab.Commands.RunAsync(
            ["mount", "-t", "overlay", Name, "-o", $"lowerdir={LabTools.NodeTree()},upperdir={Folder}/upper,workdir={Folder}/work", Root], cancel: cancel);
        // An id that is there and empty: systemd makes one, and this is no first boot, at which it would enable what others preset.
        await File.WriteAllTextAsync($"{Root}/etc/machine-id", "", cancel);
        await File.WriteAllTextAsync($"{Root}/etc/hostname", $"{Name}\n", cancel);
        // A default route, by which the agent finds the underlay. Nobody is there.
        await File.WriteAllTextAsync($"{Root}/etc/systemd/network/20-host0.network",
            $"[Match]\nName=host0\n[Network]\nAddress={Address}/{LabLayout.UnderlayPrefixLength}\nGateway={LabLayout.NodeAddress(_lab.Nodes.Count)}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nIPForward=ipv4\n", cancel);
    }

    private async Task StartAsync(CancellationToken cancel)
    {
        await _lab.Commands.RunAsync(["mount", "-t", "bpf", Name, BpfFolder], cancel: cancel);
        // Each folder is left when nspawn ends and removed with the lab. API_VFS_WRITABLE: the settings of its network, never those of the
        // whole kernel, which are this computer's own.
        const string script = """
            while [ "$1" != -- ]; do mkdir -p "$1"; echo $$ >"$1/cgroup.procs"; shift; done; shift
            export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
            exec "$@"
            """;
        _nspawn = new BackgroundCommand(
            _lab.Commands, _lab.Layout.SwitchNamespace,
            [
                "sh", "-euc", script, "sh", .. new MachineCgroups(_lab.Layout).Of(_number), "--",
                "systemd-nspawn", "--quiet", "--boot", $"--directory={Root}", $"--machine={Name}", "--register=no", "--keep-unit", "--network-bridge=sw0", "--console=pipe",
                "--capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON,CAP_NET_RAW,CAP_SYSLOG", "--system-call-filter=bpf", "--system-call-filter=perf_event_open",
                // So that the lab finds the machine's init, which outlives an nspawn that is killed.
                $"--setenv={LabCommands.OwnerVariable}={_lab.Layout.Name}", $"--bind={BpfFolder}:/sys/fs/bpf",
            ],
            $"{Folder}/console.log");
        var boot = ++_boots;
        await _nspawn.WaitAsync($"boot {boot}", HasLeader, BootLimit, cancel);
        await Wait.UntilAsync($"boot {boot} of {Name}", async () =>
        {
            var state = (await ExecAsync("systemctl", "is-system-running")).Stdout.Trim();
            return state.Length > 0 && BootedStates.Contains(state, StringComparison.Ordinal);
        }, BootLimit, () => LogFiles.Tail($"{Folder}/console.log"), cancel);
    }

    /// <summary>Its init is nspawn's only child with a process namespace of its own.</summary>
    private bool HasLeader()
    {
        var own = File.ResolveLinkTarget("/proc/self/ns/pid", false)?.Name;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            try
            {
                if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) || Parent(folder) != _nspawn!.ProcessId)
                    continue;
                _leader = File.ResolveLinkTarget($"{folder}/ns/pid", false)?.Name is { } space && space != own && File.ReadAllText($"{folder}/comm").Trim() == "systemd" ? id : 0;
                if (_leader != 0)
                    return true;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile.
            }
        }

        return false;
    }

    private static int Parent(string folder)
    {
        // PID (comm) state ppid …; the name may hold spaces and brackets (proc(5)).
        var stat = File.ReadAllText($"{folder}/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private IEnumerable<string> Enter(params string[] more) =>
        ["nsenter", "-t", _leader.ToString(CultureInfo.InvariantCulture), "-m", "-n", "-u", "-i", "-C", .. more, "--"];
}
