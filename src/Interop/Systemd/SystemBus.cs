using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Systemd;

/// <summary>
/// A connection to the system's message bus (sd-bus(3)). Used by one thread, but for <see cref="Post"/>; calls wait for their answer, and start no
/// service that does not run.
/// </summary>
public sealed unsafe class SystemBus : IDisposable
{
    private const ulong CallMicroseconds = 10_000_000;
    private const string Daemon = "org.freedesktop.DBus";

    private readonly nint _bus;
    private readonly FileDescriptor _wake;
    private readonly List<GCHandle> _handlers = [];
    private readonly ConcurrentQueue<Action> _posted = new();
    private Exception? _failure;

    private SystemBus(nint bus, FileDescriptor wake) => (_bus, _wake) = (bus, wake);

    /// <summary>Connects, to the bus of DBUS_SYSTEM_BUS_ADDRESS if that is set.</summary>
    /// <exception cref="BusException">There is no bus, or it does not let this process in.</exception>
    /// <exception cref="NativeLibraryMissingException">libsystemd is not installed.</exception>
    public static SystemBus Open()
    {
        NativeLibraryMissingException.ThrowIfMissing(Libsystemd.Library, "libsystemd0");
        var wake = new FileDescriptor(Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK));
        try
        {
            if (wake.IsInvalid)
                throw NativeException.FromLastError("create eventfd");
            nint bus;
            Check(Libsystemd.sd_bus_open_system(&bus), "connect to the system bus");
            return new(bus, wake);
        }
        catch
        {
            wake.Dispose();
            throw;
        }
    }

    /// <summary>Whether somebody has a name.</summary>
    /// <exception cref="BusException">The connection has ended.</exception>
    public bool HasOwner(string name)
    {
        var has = false;
        Call(Daemon, "/org/freedesktop/DBus", Daemon, "NameHasOwner", r => has = r.ReadBoolean(), BusValue.Of(name));
        return has;
    }

    /// <summary>Takes a name for this process.</summary>
    /// <exception cref="BusException">Somebody has it (EEXIST), or the policy forbids it.</exception>
    public void RequestName(string name) => Check(Libsystemd.sd_bus_request_name(_bus, name, 0), $"take the name {name} on the system bus");

    /// <summary>Calls a method and waits for its answer.</summary>
    /// <param name="destination">Whom: a name on the bus.</param>
    /// <param name="path">Which object.</param>
    /// <param name="interface">Of which interface.</param>
    /// <param name="member">What.</param>
    /// <param name="read">Reads the answer; null if nothing in it matters.</param>
    /// <param name="arguments">With what.</param>
    /// <exception cref="BusException">It was refused, or nobody answered within ten seconds.</exception>
    public void Call(string destination, string path, string @interface, string member, Action<BusMessage>? read, params ReadOnlySpan<BusValue> arguments)
    {
        var what = $"call {member} of {destination}";
        nint call, reply;
        Check(Libsystemd.sd_bus_message_new_method_call(_bus, &call, destination, path, @interface, member), what);
        try
        {
            Check(Libsystemd.sd_bus_message_set_auto_start(call, 0), what);
            foreach (var argument in arguments)
                argument.AppendTo(call);
            SdBusError error = default;
            var result = Libsystemd.sd_bus_call(_bus, call, CallMicroseconds, &error, &reply);
            if (result < 0)
            {
                var (name, message) = (Marshal.PtrToStringUTF8((nint)error.name) ?? "", Marshal.PtrToStringUTF8((nint)error.message) ?? "");
                Libsystemd.sd_bus_error_free(&error);
                throw new BusException(what, -result, name, message);
            }

            try
            {
                read?.Invoke(new(reply));
            }
            finally
            {
                Libsystemd.sd_bus_message_unref(reply);
            }
        }
        finally
        {
            Libsystemd.sd_bus_message_unref(call);
        }
    }

    /// <summary>Has a handler run, by <see cref="Process"/>, for each signal of a kind.</summary>
    /// <exception cref="BusException">The connection has ended.</exception>
    public void Match(string sender, string path, string @interface, string member, Action<BusMessage> handler) =>
        Check(Libsystemd.sd_bus_match_signal(_bus, null, sender, path, @interface, member, &OnMessage, Keep(message =>
        {
            handler(message);
            return false;
        })), $"follow {member} of {sender}");

    /// <summary>Has a handler run when a name gets another owner, or none: its service was started, started again, or stopped.</summary>
    /// <exception cref="BusException">The connection has ended.</exception>
    public void WhenOwnerChanges(string name, Action<bool> handler) => Match(Daemon, "/org/freedesktop/DBus", Daemon, "NameOwnerChanged", message =>
    {
        var changed = message.ReadText();
        _ = message.ReadText();
        if (changed == name)
            handler(message.ReadText().Length > 0);
    });

    /// <summary>Shows an object.</summary>
    /// <exception cref="BusException">The connection has ended.</exception>
    public void Export(BusObject shown)
    {
        ArgumentNullException.ThrowIfNull(shown);
        Check(Libsystemd.sd_bus_add_object(_bus, null, shown.Path, &OnMessage, Keep(message => Answer(shown, message))), $"show {shown.Path} on the system bus");
    }

    /// <summary>Tells whoever listens that properties of an object have changed.</summary>
    /// <exception cref="BusException">The connection has ended.</exception>
    public void TellChanged(BusObject shown, IReadOnlyList<(string Name, BusValue Value)> changed)
    {
        ArgumentNullException.ThrowIfNull(shown);
        nint signal;
        Check(Libsystemd.sd_bus_message_new_signal(_bus, &signal, shown.Path, BusObject.PropertiesInterface, "PropertiesChanged"), "tell of a change");
        try
        {
            BusValue.Of(shown.Interface).AppendTo(signal);
            AppendDictionary(signal, changed);
            Check(Libsystemd.sd_bus_message_open_container(signal, (byte)'a', "s"), "tell of a change");
            Check(Libsystemd.sd_bus_message_close_container(signal), "tell of a change");
            Check(Libsystemd.sd_bus_send(_bus, signal, null), "tell of a change");
        }
        finally
        {
            Libsystemd.sd_bus_message_unref(signal);
        }
    }

    /// <summary>
    /// Has something done by the thread that uses the bus, the next time it calls <see cref="Process"/>. Safe from any thread; on a bus that was left
    /// it is done by nobody.
    /// </summary>
    public void Post(Action action)
    {
        _posted.Enqueue(action);
        var one = 1UL;
        try
        {
            _ = Libc.write(_wake, &one, sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
            // ignoring: left just now.
        }
    }

    /// <summary>Handles what has come, and what was posted. What a handler throws comes out of here as it is.</summary>
    /// <exception cref="BusException">The connection has ended.</exception>
    public void Process()
    {
        while (Check(Libsystemd.sd_bus_process(_bus, null), "read from the system bus") > 0)
        {
            if (_failure is { } failure)
            {
                _failure = null;
                ExceptionDispatchInfo.Throw(failure);
            }
        }

        while (_posted.TryDequeue(out var action))
            action();
    }

    /// <summary>Waits until there may be something to process, but not longer than a time.</summary>
    /// <exception cref="NativeException">poll(2) failed.</exception>
    public void Wait(TimeSpan longest)
    {
        // What came while a call waited for its answer is read from the socket already, and no poll would tell of it.
        ulong due;
        Check(Libsystemd.sd_bus_get_timeout(_bus, &due), "wait for the system bus");
        if (due == 0)
            return;
        var fds = stackalloc PollFd[2];
        fds[0] = new() { fd = Libsystemd.sd_bus_get_fd(_bus), events = (short)Check(Libsystemd.sd_bus_get_events(_bus), "wait for the system bus") };
        fds[1] = new() { fd = (int)_wake.DangerousGetHandle(), events = Libc.POLLIN };
        if (Libc.poll(fds, 2, (int)longest.TotalMilliseconds) < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
            throw NativeException.FromLastError("wait for the system bus");
        ulong count;
        if (fds[1].revents != 0)
            _ = Libc.read(_wake, &count, sizeof(ulong));
    }

    /// <summary>Leaves the bus; names and objects go with it.</summary>
    public void Dispose()
    {
        _ = Libsystemd.sd_bus_flush_close_unref(_bus);
        foreach (var handler in _handlers)
            handler.Free();
        _handlers.Clear();
        _wake.Dispose();
    }

    internal static int Check(int result, string operation) => result >= 0 ? result : throw new BusException(operation, -result);

    private static void AppendDictionary(nint message, IReadOnlyList<(string Name, BusValue Value)> entries)
    {
        const string what = "write a message";
        Check(Libsystemd.sd_bus_message_open_container(message, (byte)'a', "{sv}"), what);
        foreach (var (name, value) in entries)
        {
            Check(Libsystemd.sd_bus_message_open_container(message, (byte)'e', "sv"), what);
            BusValue.Of(name).AppendTo(message);
            BusValue.Variant(value).AppendTo(message);
            Check(Libsystemd.sd_bus_message_close_container(message), what);
        }

        Check(Libsystemd.sd_bus_message_close_container(message), what);
    }

    private void* Keep(Func<BusMessage, bool> handler)
    {
        Handler bound = message =>
        {
            try
            {
                return handler(message) ? 1 : 0;
            }
            catch (BusException e) when (!e.IsDisconnected)
            {
                message.Fail(e.Errno);
                return 1;
            }
            catch (Exception e) // The boundary to native code: it is thrown again by Process.
            {
                _failure = e;
                return 0;
            }
        };
        var handle = GCHandle.Alloc(bound);
        _handlers.Add(handle);
        return (void*)GCHandle.ToIntPtr(handle);
    }

    [UnmanagedCallersOnly]
    private static int OnMessage(nint message, void* handler, SdBusError* error) => ((Handler)GCHandle.FromIntPtr((nint)handler).Target!)(new(message));

    /// <summary>Answers a call to an object; false for what it does not have, which sd-bus refuses by itself.</summary>
    private bool Answer(BusObject shown, BusMessage call)
    {
        if (call.IsCall("org.freedesktop.DBus.Introspectable", "Introspect"))
        {
            Reply(call, reply => BusValue.Of(shown.Introspection()).AppendTo(reply));
            return true;
        }

        if (call.IsCall(BusObject.PropertiesInterface, "GetAll"))
        {
            Reply(call, reply => AppendDictionary(reply, shown.Properties()));
            return true;
        }

        if (call.IsCall(BusObject.PropertiesInterface, "Get"))
        {
            _ = call.ReadText();
            var name = call.ReadText();
            if (shown.Properties().FirstOrDefault(p => p.Name == name).Value is not { } value)
                call.Fail(Errno.ENOENT);
            else
                Reply(call, reply => BusValue.Variant(value).AppendTo(reply));
            return true;
        }

        foreach (var (name, method) in shown.Methods)
        {
            if (!call.IsCall(shown.Interface, name))
                continue;
            var held = call.Hold();
            _ = method().ContinueWith(
                done => Post(() => Finish(held, done)), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            return true;
        }

        return false;
    }

    private void Finish(nint held, Task done)
    {
        try
        {
            var call = new BusMessage(held);
            if (done.IsCompletedSuccessfully)
                Reply(call, _ => { });
            else
                call.Fail(Errno.EIO);
        }
        finally
        {
            Libsystemd.sd_bus_message_unref(held);
        }
    }

    private void Reply(BusMessage call, Action<nint> write)
    {
        var reply = call.NewReply();
        try
        {
            write(reply);
            Check(Libsystemd.sd_bus_send(_bus, reply, null), "answer a call");
        }
        finally
        {
            Libsystemd.sd_bus_message_unref(reply);
        }
    }

    private delegate int Handler(BusMessage message);
}
