using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>A real etcd on loopback, alone or a member of a cluster, with its data in a temporary directory. Needs no root.</summary>
internal sealed class EtcdProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);

    private readonly string _name;
    private string _peers;
    private string[] _arguments;
    private readonly Dictionary<string, string> _ctlEnvironment = new() { ["ETCDCTL_API"] = "3" };
    private Process? _process;
    private ConcurrentQueue<string> _log = new();

    private EtcdProcess(bool tls, string[] arguments, string name = "test", string peers = "")
    {
        _arguments = arguments;
        _name = name;
        _peers = peers;
        Directory = System.IO.Directory.CreateTempSubdirectory("etc-").FullName;
        Endpoint = new Uri($"{(tls ? "https" : "http")}://127.0.0.1:{FreePort()}");
    }

    internal Uri Endpoint { get; private set; }

    internal string Directory { get; }

    /// <summary>Its process id, as long as it runs.</summary>
    internal int Id => _process!.Id;

    internal static Task<EtcdProcess> StartAsync(params string[] arguments) => StartAsync(tls: false, arguments);

    internal static async Task<EtcdProcess> StartAsync(bool tls, params string[] arguments)
    {
        var etcd = new EtcdProcess(tls, arguments);
        try
        {
            await etcd.RunAsync(mayMove: true);
            return etcd;
        }
        catch
        {
            await etcd.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a cluster of as many members.</summary>
    internal static async Task<IReadOnlyList<EtcdProcess>> StartClusterAsync(int size)
    {
        var peers = string.Join(',', Enumerable.Range(0, size).Select(i => $"m{i}=http://127.0.0.1:{FreePort()}"));
        var members = Enumerable.Range(0, size).Select(i => new EtcdProcess(tls: false, [], $"m{i}", peers)).ToList();
        try
        {
            await Task.WhenAll(members.Select(m => m.RunAsync(mayMove: false)));
            return members;
        }
        catch
        {
            foreach (var member in members)
                await member.DisposeAsync();

            throw;
        }
    }

    /// <summary>A port nobody listens on, below those the kernel gives to outgoing connections.</summary>
    internal static int FreePort()
    {
        while (true)
        {
            var port = Random.Shared.Next(10_240, 32_768);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Taken: the next one.
            }
        }
    }

    internal EtcdClient NewClient(TimeSpan? requestTimeout = null) => new(
        new EtcdClientOptions { Endpoints = [Endpoint], RequestTimeout = requestTimeout ?? TimeSpan.FromSeconds(5) },
        TimeProvider.System);

    /// <summary>kill -9.</summary>
    internal void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
    }

    /// <summary>SIGTERM: etcd says good-bye to its clients.</summary>
    internal void Terminate()
    {
        Signal("TERM");
        _process!.WaitForExit();
    }

    /// <summary>Stops it where it is. kill returns before the last thread has stopped, so this waits for all of them.</summary>
    internal void Pause()
    {
        Signal("STOP");
        var stopped = SpinWait.SpinUntil(
            () =>
            {
                try
                {
                    return System.IO.Directory.GetDirectories($"/proc/{_process!.Id}/task")
                        .All(t => File.ReadAllText($"{t}/stat").Contains(") T ", StringComparison.Ordinal));
                }
                catch (IOException)
                {
                    return false; // A thread ended between the two looks.
                }
            },
            StartLimit);
        Assert.True(stopped, "etcd does not stop");
    }

    internal void Resume() => Signal("CONT");

    /// <summary>Starts it again on the same port with the same data.</summary>
    /// <param name="arguments">Replace those of the first start, if any.</param>
    internal Task RestartAsync(params string[] arguments)
    {
        if (arguments.Length > 0)
            _arguments = arguments;

        return RunAsync(mayMove: false);
    }

    /// <summary>Sets a variable for etcdctl, such as ETCDCTL_CACERT.</summary>
    internal void SetCtl(string name, string value) => _ctlEnvironment[name] = value;

    /// <summary>Runs etcdctl against it.</summary>
    /// <returns>What it printed.</returns>
    internal Task<string> CtlAsync(params string[] arguments) => CtlAsync([], arguments);

    /// <summary>Runs etcdctl against it with something to read.</summary>
    /// <returns>What it printed.</returns>
    internal async Task<string> CtlAsync(byte[] input, params string[] arguments)
    {
        var start = new ProcessStartInfo(Locate("etcdctl", "ACCELERATED_ETCDCTL"), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["ETCDCTL_ENDPOINTS"] = Endpoint.GetLeftPart(UriPartial.Authority);
        foreach (var (name, value) in _ctlEnvironment)
            start.Environment[name] = value;

        using var ctl = Process.Start(start)!;
        await ctl.StandardInput.BaseStream.WriteAsync(input);
        ctl.StandardInput.Close();
        var errors = ctl.StandardError.ReadToEndAsync();
        var output = await ctl.StandardOutput.ReadToEndAsync();
        await ctl.WaitForExitAsync();
        return ctl.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"etcdctl {string.Join(' ', arguments)}: {await errors}");
    }

    public ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
            Kill();

        _process?.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    private async Task RunAsync(bool mayMove)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await TryRunAsync())
                return;

            if (attempt == 10 || !_log.Any(static l => l.Contains("address already in use", StringComparison.Ordinal)))
                throw new InvalidOperationException($"etcd did not start:\n{string.Join('\n', _log)}");

            // The port was taken between looking and listening.
            if (mayMove)
            {
                Endpoint = new UriBuilder(Endpoint) { Port = FreePort() }.Uri;
                _peers = "";
            }
        }
    }

    private async Task<bool> TryRunAsync()
    {
        var url = Endpoint.GetLeftPart(UriPartial.Authority);
        if (_peers.Length == 0)
            _peers = $"{_name}=http://127.0.0.1:{FreePort()}";

        var peer = _peers.Split(',').Single(p => p.StartsWith($"{_name}=", StringComparison.Ordinal)).Split('=')[1];
        string[] common =
        [
            $"--name={_name}", $"--data-dir={Directory}/data", $"--listen-client-urls={url}", $"--advertise-client-urls={url}",
            $"--listen-peer-urls={peer}", $"--initial-advertise-peer-urls={peer}", $"--initial-cluster={_peers}",
        ];
        // One member elects itself: it need not wait the usual second for the others to speak up.
        string[] alone = _peers.Contains(',', StringComparison.Ordinal) ? [] : ["--heartbeat-interval=10", "--election-timeout=100"];
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(Locate("etcd", "ACCELERATED_ETCD"), [.. common, .. alone, .. _arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
        var log = _log = new ConcurrentQueue<string>();
        var ready = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Read(string? line)
        {
            if (line is null)
                return;

            log.Enqueue(line);
            while (log.Count > 200)
                log.TryDequeue(out _);

            // "serving insecure client requests on" in 3.4, "serving client traffic insecurely" later.
            if (line.Contains("serving insecure client", StringComparison.Ordinal) || line.Contains("serving client", StringComparison.Ordinal))
                ready.TrySetResult(true);
        }

        process.OutputDataReceived += (_, e) => Read(e.Data);
        process.ErrorDataReceived += (_, e) => Read(e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _process?.Dispose();
        _process = process;
        var exited = process.WaitForExitAsync();
        if (await Task.WhenAny(ready.Task, exited, Task.Delay(StartLimit)) == ready.Task)
            return true;

        if (!process.HasExited)
            Kill();

        return false;
    }

    private void Signal(string name)
    {
        using var kill = Process.Start("/bin/sh", ["-c", $"kill -{name} {_process!.Id}"]);
        kill.WaitForExit();
    }

    private static string Locate(string program, string variable)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given)
            return given;

        // etcdctl lies beside etcd.
        if (Environment.GetEnvironmentVariable("ACCELERATED_ETCD") is { Length: > 0 } etcd
            && Path.Combine(Path.GetDirectoryName(etcd)!, program) is var beside && File.Exists(beside))
        {
            return beside;
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var tool = Path.Combine(folder.FullName, "artifacts/tools/usr/bin", program);
            if (File.Exists(tool))
                return tool;
        }

        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            if (File.Exists(Path.Combine(folder, program)))
                return Path.Combine(folder, program);
        }

        throw new FileNotFoundException(
            $"{program} is needed for this test and is neither in ${variable}, artifacts/tools/usr/bin nor the PATH: run 'make deps'");
    }
}
