using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Bus;

/// <summary>A message bus of a test's own, by the real dbus-daemon, in the place of the machine's. Everybody on it may do everything.</summary>
internal sealed class PrivateBus : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bus-").FullName;
    private Process? _daemon;

    /// <summary>What DBUS_SYSTEM_BUS_ADDRESS has to say.</summary>
    public string Address => $"unix:path={Socket}";

    /// <summary>For agents that are to find it.</summary>
    public ImmutableDictionary<string, string> Environment => ImmutableDictionary<string, string>.Empty.Add("DBUS_SYSTEM_BUS_ADDRESS", Address);

    private string Socket => Path.Combine(_folder, "socket");

    /// <summary>Starts it, or starts it again after <see cref="StopAsync"/>.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        var config = Path.Combine(_folder, "bus.conf");
        await File.WriteAllTextAsync(config, $"""
            <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig>
              <type>system</type>
              <listen>{Address}</listen>
              <auth>EXTERNAL</auth>
              <policy context="default">
                <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
                <allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
                <allow receive_type="error"/><allow receive_type="signal"/>
              </policy>
            </busconfig>
            """, cancel);
        File.Delete(Socket);
        _daemon = Process.Start(new ProcessStartInfo("dbus-daemon", ["--nofork", "--nopidfile", "--nosyslog", $"--config-file={config}"]) { UseShellExecute = false })!;
        await Wait.UntilAsync("the bus", () => Task.FromResult(File.Exists(Socket)), cancel: cancel);
    }

    /// <summary>Ends it; whoever is on it loses the connection.</summary>
    public async Task StopAsync()
    {
        if (_daemon is not { } daemon)
            return;
        daemon.Kill();
        await daemon.WaitForExitAsync();
        daemon.Dispose();
        _daemon = null;
    }

    /// <summary>Runs busctl on it.</summary>
    /// <returns>Its exit code and everything it wrote.</returns>
    public async Task<(int Code, string Output)> CtlAsync(CancellationToken cancel, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("busctl", [$"--address={Address}", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        var error = process.StandardError.ReadToEndAsync(cancel);
        var output = await process.StandardOutput.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return (process.ExitCode, output + await error);
    }

    /// <summary>A property of the default instance's object.</summary>
    public async Task<JsonNode?> PropertyAsync(string name, CancellationToken cancel)
    {
        var (code, output) = await CtlAsync(cancel, "--json=short", "get-property", "org.accelerated.Agent1", "/org/accelerated/Agent1/default", "org.accelerated.Agent1", name);
        return code == 0 ? JsonNode.Parse(output)!["data"] : null;
    }

    /// <summary>Waits until a property of the default instance's object has a value.</summary>
    public Task WaitAsync(string property, string value, CancellationToken cancel) =>
        Wait.UntilAsync($"{property} {value} on the bus", async () => (await PropertyAsync(property, cancel))?.ToJsonString() == value, cancel: cancel);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
