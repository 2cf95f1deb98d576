using Accelerated.Agent.Api;
using Accelerated.Agent.Bus;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.Node;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.Systemd;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Accelerated.Agent.Cli;

/// <summary><c>accelerated agent</c>: checks what can be checked before anything is touched, then runs the host.</summary>
internal static class AgentCommand
{
    private static readonly TimeSpan ShutdownLimit = TimeSpan.FromSeconds(5);

    /// <summary>Runs until SIGTERM or SIGINT; returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Any(a => a is "-h" or "-help" or "--help"))
        {
            Console.WriteLine("Usage: accelerated agent [flags]\n\nRuns the agent. Flags are flannel's, with one or two dashes; each also as ACCELERATED_NAME\nor FLANNELD_NAME in the environment; FLANNEL_OPTIONS, FLANNEL_ETCD … of flannel's packages are read too (docs/flags.md).\n");
            foreach (var line in new AgentFlags().Help())
                Console.WriteLine(line);
            return ExitCodes.Success;
        }

        var flags = new AgentFlags();
        try
        {
            flags.Parse(arguments, Environment.GetEnvironmentVariable);
            if (flags.AsksForVersion)
            {
                Console.WriteLine(StatusReporter.Version);
                return ExitCodes.Success;
            }

            var options = flags.Options();
            if (!ProcessCapabilities.Has(Capability.NetAdmin))
                return Refuse("this needs root, or the capability CAP_NET_ADMIN: run it with sudo or as a systemd service", ExitCodes.Failure);
            if (FlanneldProcess.FindRival(options.EtcdPrefix) is { } rival)
                return Refuse($"{rival.Describe(options.EtcdPrefix)}. Stop it first: {rival.Remedy}", ExitCodes.Failure);
            NativeHeap.KeepLittle();
            using var routes = RouteSocket.Open();
            _ = UnderlaySelector.Select(options.Underlay, routes);
            await using var etcd = new EtcdClient(options.Etcd, TimeProvider.System);
            return await RunHostAsync(options, routes, etcd).ConfigureAwait(false);
        }
        catch (CommandLineException e)
        {
            return Refuse(e.Message, ExitCodes.Usage);
        }
        catch (EtcdOptionsException e)
        {
            return Refuse(flags.Explain(e), ExitCodes.Usage);
        }
        catch (UnderlayException e)
        {
            return Refuse(e.Message, ExitCodes.Failure);
        }
    }

    private static async Task<int> RunHostAsync(AgentOptions options, RouteSocket routes, EtcdClient etcd)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true, ApplicationName = "accelerated" });
        builder.Logging.SetMinimumLevel(options.Verbose ? LogLevel.Debug : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        AddLog(builder, options.Instance);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = ShutdownLimit);
        AddAgent(builder.Services, options, routes, etcd);
        using var host = builder.Build();
        // RunAsync disposes the host, and its services with it.
        var exit = host.Services.GetRequiredService<ExitStatus>();
        await host.RunAsync().ConfigureAwait(false);
        return exit.Code;
    }

    private static void AddLog(HostApplicationBuilder builder, string instance)
    {
        if (Journal.IsStandardError)
        {
            builder.Logging.AddProvider(new JournalLoggerProvider(instance));
            return;
        }

        builder.Logging.AddConsole(o =>
        {
            o.FormatterName = LogFormatter.FormatterName;
            o.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        builder.Services.AddSingleton<ConsoleFormatter, LogFormatter>();
    }

    private static void AddAgent(IServiceCollection services, AgentOptions options, RouteSocket routes, EtcdClient etcd)
    {
        services.AddSingleton(options)
            .AddSingleton(TimeProvider.System)
            .AddSingleton(routes)
            .AddSingleton<IEtcdClient>(etcd)
            .AddSingleton(new SubnetLeaseStore(etcd, options.EtcdPrefix, options.SubnetLeaseTtl, Random.Shared))
            .AddSingleton(new SubnetFile(options.SubnetFile))
            .AddSingleton<SubnetChange>()
            .AddSingleton<UnitRestarter>()
            .AddSingleton(new StateFile(options.StateDirectory, options.Instance))
            .AddSingleton(new HostRules(options.Instance))
            .AddSingleton(s => new NftablesFirewall(options.Instance, s.GetRequiredService<HostRules>(), s.GetRequiredService<TimeProvider>()))
            .AddSingleton(s => new ForeignChains(options.Instance, s.GetRequiredService<HostRules>(), TimeProvider.System))
            .AddSingleton<PolicyWatch>()
            .AddSingleton<WakeSignal>()
            .AddSingleton<ContainerLook>()
            .AddSingleton<InputStore>()
            .AddSingleton<EtcdSession>()
            .AddSingleton<LeaseRegistry>()
            .AddSingleton(s => new OwnSubnetKeeper(
                s.GetRequiredService<SubnetLeaseStore>(), s.GetRequiredService<EtcdSession>(), s.GetRequiredService<InputStore>(),
                options.RenewMargin, TimeProvider.System, s.GetRequiredService<ILogger<OwnSubnetKeeper>>()))
            .AddSingleton<ConfigFollower>()
            .AddSingleton<ControlPlane>()
            .AddSingleton(new KernelDatapath(routes, options.Datapath != DatapathChoice.HostGw, TimeProvider.System))
            .AddSingleton<IDatapath>(s => options.UsesLanes
                ? new BpfDatapath(s.GetRequiredService<KernelDatapath>(), routes, s.GetRequiredService<HostRules>(), options.Lanes, s.GetRequiredService<PolicyWatch>(), TimeProvider.System)
                : s.GetRequiredService<KernelDatapath>())
            .AddSingleton<KernelWatch>()
            .AddSingleton<FlannelWatch>()
            .AddSingleton<IdleMemory>()
            .AddSingleton<ServiceWatchdog>()
            .AddSingleton<StateKeeper>()
            .AddSingleton<ReconcileLoop>()
            .AddSingleton<StatusReporter>()
            .AddSingleton<ServiceSupervision>()
            .AddSingleton(new FirewalldRecord(options.StateDirectory, options.Instance))
            .AddSingleton<IBusClient>(s => s.GetRequiredService<UnitRestarter>())
            .AddSingleton<IBusClient, AgentObject>()
            .AddSingleton<IBusClient, FirewalldClient>()
            .AddSingleton<IBusClient, NetworkManagerClient>()
            .AddSingleton<IBusClient, SleepWatch>()
            .AddSingleton<SystemBusService>()
            .AddSingleton<StatusServer>()
            .AddSingleton<HealthServer>()
            .AddSingleton<ExitStatus>()
            .AddHostedService<AgentService>();
    }

    private static int Refuse(string message, int code)
    {
        // The priority of a line in the journal (sd-daemon(3)); anywhere else it would only be in the way.
        var priority = Journal.IsStandardError ? $"<{(int)JournalPriority.Critical}>" : "";
        Console.Error.WriteLine($"{priority}accelerated agent: {message}");
        ServiceNotifier.Send($"STATUS=failed: {message}");
        return code;
    }
}
