using System.Net;

namespace Accelerated.Lab;

/// <summary>
/// A real dockerd on a host of the lab, with a containerd of its own and one image, <c>bb</c>: busybox, made here because there is no
/// registry. Disposing ends containers and daemons.
/// </summary>
public sealed class DockerHost : IAsyncDisposable
{
    private const string Image = "bb";

    private readonly LabNode _node;
    private readonly string _version;
    private readonly string _folder;
    private readonly string[] _options;
    private BackgroundCommand? _containerd;
    private BackgroundCommand? _dockerd;

    private DockerHost(LabNode node, string version, string[] options)
    {
        (_node, _version, _options) = (node, version, options);
        _folder = $"{node.Layout.ScratchDirectory}/{node.Namespace}-docker";
    }

    /// <summary>What dockerd calls its version.</summary>
    public string Version { get; private set; } = "";

    private string Socket => $"unix://{_folder}/docker.sock";

    // Tools of the chosen version first; what it does not have is the older one's.
    private string[] Path => ["env", $"PATH={LabTools.Docker(_version)}/usr/sbin:{LabTools.Docker("20.10")}/usr/sbin:{LabTools.Docker("20.10")}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

    /// <summary>Starts it and waits until it serves.</summary>
    /// <param name="node">The host.</param>
    /// <param name="version">As <see cref="LabTools.Docker"/> takes it.</param>
    /// <param name="options">Of dockerd: <c>--bip</c> and the like.</param>
    /// <exception cref="LabException">It does not come up; the message ends with its log.</exception>
    public static async Task<DockerHost> StartAsync(LabNode node, string version, params string[] options)
    {
        ArgumentNullException.ThrowIfNull(node);
        var host = new DockerHost(node, version, options);
        try
        {
            await host.BuildAsync();
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs <c>docker</c>; gives its standard output.</summary>
    /// <exception cref="LabException">It failed.</exception>
    public async Task<string> RunAsync(params string[] command) => (await ExecAsync(command)).OrThrow().Stdout.Trim();

    /// <summary>Runs <c>docker</c>.</summary>
    public Task<CommandResult> ExecAsync(params string[] command) => _node.ExecAsync([.. Path, "docker", "-H", Socket, .. command]);

    /// <summary>Runs lines of shell in which <c>docker</c> is this one.</summary>
    /// <exception cref="LabException">One failed.</exception>
    public async Task<string> ShellAsync(string script) => (await _node.ExecAsync([.. Path, $"DOCKER_HOST={Socket}", "sh", "-eu", "-c", script])).OrThrow().Stdout.Trim();

    /// <summary>
    /// Starts a container that serves <c>hello from NAME</c> over HTTP at port 80, now and whenever dockerd starts; gives its address.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="options">More options of <c>docker run</c>, such as <c>-p 8080:80</c>.</param>
    public async Task<IPAddress> AddContainerAsync(string name, params string[] options)
    {
        await RunAsync(
            [
                "run", "-d", "--name", name, "--restart", "always", "-e", $"{LabCommands.OwnerVariable}={_node.Layout.Name}", .. options, Image,
                "/bin/sh", "-c", $"echo hello from {name} >/index.html; exec httpd -f -p 80 -h /",
            ]);
        return await AddressAsync(name);
    }

    /// <summary>A container's address, which may be another one after each start.</summary>
    public async Task<IPAddress> AddressAsync(string name) =>
        IPAddress.Parse(await RunAsync("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name));

    /// <summary>Whether a container runs.</summary>
    public async Task<bool> IsRunningAsync(string name) => await RunAsync("inspect", "-f", "{{.State.Running}}", name) == "true";

    /// <summary>Pings from a container; true if all of three are answered.</summary>
    public async Task<bool> PingAsync(string name, IPAddress target) =>
        (await ExecAsync("exec", name, "ping", "-c", "3", "-W", "1", "-A", $"{target}")).Stdout.Contains(" 0% packet loss", StringComparison.Ordinal);

    /// <summary>What a web server answers a container within two seconds; empty if it does not.</summary>
    /// <remarks>wget's own <c>-T</c> ends the static busybox of Debian 12 with a segmentation fault.</remarks>
    public async Task<string> FetchAsync(string name, string url) => (await ExecAsync("exec", name, "timeout", "2", "wget", "-q", "-O", "-", url)).Stdout.Trim();

    /// <summary>Ends dockerd, and the containers with it, as systemd would.</summary>
    public async Task StopAsync()
    {
        if (_dockerd is not null)
            await _dockerd.StopAsync("TERM", TimeSpan.FromSeconds(20));
    }

    /// <summary>Starts dockerd again.</summary>
    /// <exception cref="LabException">It does not come up; the message ends with its log.</exception>
    public async Task StartAsync()
    {
        _dockerd = _node.Start(
            [
                .. Path, "dockerd", "--containerd", $"{_folder}/containerd.sock", "--data-root", $"{_folder}/data", "--exec-root", $"{_folder}/exec",
                "-p", $"{_folder}/docker.pid", "-H", Socket, .. _options,
            ]);
        string version = "";
        await Wait.UntilAsync($"dockerd of {_node.Namespace}", async () =>
        {
            if (!_dockerd.IsRunning)
                throw new LabException($"dockerd has exited with {_dockerd.ExitCode}\n{LogFiles.Tail(_dockerd.OutputFile)}");
            var answer = await ExecAsync("version", "--format", "{{.Server.Version}}");
            version = answer.Stdout.Trim();
            return answer.Succeeded;
        }, explain: () => LogFiles.Tail(_dockerd.OutputFile));
        Version = version;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_dockerd is { IsRunning: true })
        {
            var all = (await ExecAsync("ps", "-aq")).Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (all.Length > 0)
                await ExecAsync(["rm", "-f", .. all]);
            await StopAsync();
        }

        foreach (var daemon in (BackgroundCommand?[])[_dockerd, _containerd])
        {
            if (daemon is not null)
                await daemon.DisposeAsync();
        }
    }

    private async Task BuildAsync()
    {
        Directory.CreateDirectory(_folder);
        // Its own, whatever runs on the machine: dockerd would take that one.
        _containerd = _node.Start([.. Path, "containerd", "--address", $"{_folder}/containerd.sock", "--root", $"{_folder}/containerd", "--state", $"{_folder}/containerd-run"]);
        await _containerd.WaitAsync("its socket", () => File.Exists($"{_folder}/containerd.sock"));
        await StartAsync();

        var root = $"{_folder}/image";
        Directory.CreateDirectory($"{root}/bin");
        File.Copy($"{LabTools.Docker("20.10")}/bin/busybox", $"{root}/bin/busybox");
        foreach (var tool in (string[])["sh", "ping", "ip", "timeout", "wget", "httpd"])
            File.CreateSymbolicLink($"{root}/bin/{tool}", "busybox");
        await _node.RunAsync("tar", "-C", root, "-cf", $"{_folder}/image.tar", ".");
        await RunAsync("import", $"{_folder}/image.tar", Image);
    }
}
