using System.Runtime.InteropServices;
using Accelerated.Agent.Api;
using Accelerated.Agent.Bus;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Node;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.Systemd;
using Accelerated.Interop;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent;

/// <summary>
/// The agent as one hosted service: control plane, reconcile loop and status socket start and stop together. Stopping leaves the
/// lease, the device, the routes, the rules and subnet.env in place, as flannel does: containers go on talking.
/// </summary>
public sealed partial class AgentService(
    AgentOptions options, ControlPlane control, ReconcileLoop loop, StatusServer status, HealthServer health, KernelWatch kernel, FlannelWatch flannel, IdleMemory memory,
    ServiceSupervision supervision, SystemBusService bus, IEtcdClient etcd, ExitStatus exit, IHostApplicationLifetime lifetime, ILogger<AgentService> log) : BackgroundService
{
    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // On .NET 10 a service that throws stops the host with exit code 0, and systemd would not restart it: the code is set here.
        using var stopping = stoppingToken.Register(() => supervision.Stopping("stopped; containers go on talking"));
        try
        {
            using var instance = InstanceLock.Take(AgentOptions.LockPath(options.RunDirectory, options.Instance), options.Instance);
            using var socket = StatusServer.Bind(AgentOptions.SocketPath(options.RunDirectory, options.Instance));
            using var probes = options.Health is { } endpoint ? HealthServer.Bind(endpoint) : null;
            LogStarted(StatusReporter.Version, options.Instance);
            foreach (var notice in options.Notices)
                LogNotice(notice);
            if (!options.UsesLanes)
                DetachLanes();
            kernel.Start();
            supervision.Start();
            // What `systemctl reload` sends; unhandled it would end the process.
            using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Reload);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
            await TaskGroup.RunAsync(stop, control.RunAsync(stop.Token), loop.RunAsync(stop.Token), status.RunAsync(socket, stop.Token), flannel.RunAsync(stop.Token), memory.RunAsync(stop.Token), bus.RunAsync(stop.Token),
                probes is null ? Task.Delay(Timeout.Infinite, stop.Token) : health.RunAsync(probes, stop.Token)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            LogStopped();
        }
        catch (AgentFaultException e)
        {
            Fail(e.Message, e.ExitCode);
        }
        catch (UnderlayException e)
        {
            Fail(e.Message, ExitCodes.Failure);
        }
#pragma warning disable CA1031 // whatever it is, the process must end with a code that makes systemd start it again
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogCrash(e);
            supervision.Stopping($"failed: {e.Message}");
            exit.Code = ExitCodes.Failure;
        }
        finally
        {
            lifetime.StopApplication();
        }
    }

    private void Fail(string fault, int code)
    {
        LogFault(fault);
        supervision.Stopping($"failed: {fault}");
        exit.Code = code;
    }

    private void Reload(PosixSignalContext signal)
    {
        signal.Cancel = true;
        supervision.Reloading();
        LogReload();
        etcd.Reconnect();
        _ = FinishReloadAsync();
    }

    private async Task FinishReloadAsync()
    {
        await loop.ReconcileAsync().ConfigureAwait(false);
        supervision.Reloaded();
    }

    /// <summary>Lanes that an earlier run left attached would go on with what that run knew, and their guard would refuse new peers.</summary>
    private void DetachLanes()
    {
        try
        {
            BpfDatapath.Detach(options.Lanes);
        }
        catch (Exception e) when (e is NativeException or IOException or UnauthorizedAccessException)
        {
            throw new AgentFaultException($"the eBPF lanes of an earlier run cannot be taken away: {e.Message}. Remove {options.Lanes.PinDirectory} as root, or start with --datapath=bpf", e);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "accelerated {Version} starts (instance {Instance})")]
    private partial void LogStarted(string version, string instance);

    [LoggerMessage(2, LogLevel.Information, "stopped; lease, device, routes and rules stay, so containers go on talking")]
    private partial void LogStopped();

    [LoggerMessage(3, LogLevel.Critical, "{Fault}")]
    private partial void LogFault(string fault);

    [LoggerMessage(4, LogLevel.Critical, "the agent failed in a way it should not: please report this")]
    private partial void LogCrash(Exception exception);

    [LoggerMessage(6, LogLevel.Information, "reload: connecting to etcd anew, with the certificates as they are now, and comparing everything with the kernel")]
    private partial void LogReload();

    [LoggerMessage(5, LogLevel.Warning, "{Notice}")]
    private partial void LogNotice(string notice);
}
